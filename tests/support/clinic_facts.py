"""From a clinic's Cliniko records and outreach events straight to the rules' facts.

A second way to the facts, beside ingestor and topics, so that rules can be tested alone.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from rules.calendar import day_of_text
from rules.facts import Appointment, Communication, Contact, Facts, Recall, Report, Treatment
from rules.instants import FOREVER, parse_instant
from rules.merging import sorted_facts, with_absorbed

Record = dict[str, Any]


def clinic_facts(cliniko: dict[str, list[Record]], outreach: list[Record]) -> dict[str, Facts]:
    """Facts by patient id; those of merged patients are also the survivor's."""
    own = {p["id"]: _own_facts(p) for p in cliniko["patients"]}
    for record, patient in _appointments(cliniko):
        _add(own, patient, "appointments", record)
    for c in cliniko.get("communications", []):
        if c["direction_code"] == 2:
            fact = Communication(parse_instant(c["created_at"]), id=c["id"])
            _add(own, _linked(c, "patient"), "communications", fact)
    for r in cliniko.get("recalls", []):
        recall = Recall(parse_instant(r["created_at"]), day_of_text(r["recall_at"]), _gone(r), id=r["id"])
        _add(own, _linked(r, "patient"), "recalls", recall)
    for event in _winners(outreach):
        _add(own, event["data"]["patient_id"], *_outreach_fact(event))
    own = {patient: sorted_facts(facts) for patient, facts in own.items()}
    merged_into: dict[str, list[str]] = defaultdict(list)
    for facts in own.values():
        if facts.contact and facts.contact.merged_into:
            merged_into[facts.contact.merged_into].append(facts.patient_id)
    return {patient: _with_merged(patient, own, merged_into) for patient in own}


def _with_merged(patient: str, own: dict[str, Facts], merged: dict[str, list[str]]) -> Facts:
    absorbed = []
    for loser in merged[patient]:
        contact = own[loser].contact
        assert contact is not None
        absorbed.append((contact.merged_at, _with_merged(loser, own, merged)))
    return with_absorbed(own[patient], absorbed)


def _add(own: dict[str, Facts], patient: str, field: str, fact: Any) -> None:
    if patient in own:
        facts = own[patient]
        own[patient] = facts._replace(**{field: (*getattr(facts, field), fact)})


def _own_facts(p: Record) -> Facts:
    merged_into = _linked(p, "merged_with_patient") if p.get("merged_with_patient") else None
    merged_at = parse_instant(p["merged_at"]) if p.get("merged_at") else FOREVER
    contact = Contact(
        created_at=parse_instant(p["created_at"]),
        gone_at=_gone(p),
        merged_at=merged_at,
        merged_into=merged_into,
        updated_at=parse_instant(p["updated_at"]),
        name=" ".join(part for part in (p["first_name"].strip(), p["last_name"].strip()) if part),
        email=p["email"] or None,
        phone=_phone(p["patient_phone_numbers"] or []),
        accepts_sms_marketing=p["accepted_sms_marketing"],
        accepts_email_marketing=p["accepted_email_marketing"],
        reminder_type=p["reminder_type"],
        referral_source=p["referral_source"] or None,
    )
    return Facts(p["id"], contact)


def _phone(numbers: list[Record]) -> str | None:
    mobile = [n["number"] for n in numbers if n["phone_type"] == "Mobile"]
    other = [n["number"] for n in numbers if n["phone_type"] != "Fax"]
    return next(iter(mobile + other), None)


def _appointments(cliniko: dict[str, list[Record]]) -> Iterable[tuple[Appointment, str]]:
    types = {t["id"]: t["name"] for t in cliniko.get("appointment_types", [])}
    staff = {p["id"]: p["label"] for p in cliniko.get("practitioners", [])}
    for a in cliniko["individual_appointments"]:
        yield (
            Appointment(
                order=a["id"],
                id=a["id"],
                created_at=parse_instant(a["created_at"]),
                starts_at=parse_instant(a["starts_at"]),
                cancelled_at=parse_instant(a["cancelled_at"]) if a["cancelled_at"] else FOREVER,
                gone_at=_gone(a),
                missed=a["did_not_arrive"] is True,
                arrived=a["patient_arrived"] is True,
                type=types.get(_linked(a, "appointment_type")),
                practitioner=staff.get(_linked(a, "practitioner")),
            ),
            _linked(a, "patient"),
        )
    groups = {g["id"]: g for g in cliniko.get("group_appointments", [])}
    for place in cliniko.get("attendees", []):
        group = groups.get(_linked(place, "booking"))
        if group is None:
            continue
        cancelled = place["cancelled_at"]
        yield (
            Appointment(
                order=f"{group['id']}/{place['id']}",
                id=f"{group['id']}/{place['id']}",
                created_at=parse_instant(place["created_at"]),
                starts_at=parse_instant(group["starts_at"]),
                cancelled_at=parse_instant(cancelled) if cancelled else FOREVER,
                gone_at=min(_gone(place), _gone(group)),
                missed=place["arrived"] is False,
                arrived=place["arrived"] is True,
                type=types.get(_linked(group, "appointment_type")),
                practitioner=staff.get(_linked(group, "practitioner")),
            ),
            _linked(place, "patient"),
        )


def _linked(record: Record, name: str) -> str:
    link = record.get(name) or {}
    return str(link.get("links", {}).get("self", "")).rsplit("/", 1)[-1]


def _gone(record: Record) -> int:
    ends = [record.get("archived_at"), record.get("deleted_at")]
    return min((parse_instant(at) for at in ends if at), default=FOREVER)


def _winners(outreach: list[Record]) -> Iterable[Record]:
    best: dict[tuple[str, str, str], tuple[int, str, Record]] = {}
    for event in outreach:
        data = event["data"]
        key = (data["patient_id"], event["source"], event["id"])
        version = (
            parse_instant(event["time"]),
            json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
            event,
        )
        if key not in best or version[:2] < best[key][:2]:
            best[key] = version
    return [version[2] for version in best.values()]


def _outreach_fact(event: Record) -> tuple[str, Any]:
    data, at = event["data"], parse_instant(event["time"])
    if event["type"] == "treatment.outcome.v1":
        return "treatments", Treatment(at, data["outcome"], event["source"], event["id"])
    return "reports", Report(
        at,
        data["channel"],
        data["message_id"],
        data["outcome"],
        data.get("attempt_id") or None,
        data.get("reason") or None,
        event["source"],
        event["id"],
    )
