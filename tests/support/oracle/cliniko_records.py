"""Parses Cliniko's records and outreach events into facts; decides which version wins."""

import json
from datetime import date, datetime

from support.oracle.facts import (
    Appointment,
    Communication,
    Condition,
    Event,
    Facts,
    Patient,
    Recall,
    Treatment,
)
from support.oracle.times import instant

Record = dict


def canonical_json(value: object) -> str:
    """READING of "canonical JSON": keys sorted, no blanks, characters unescaped, compared as text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def newest(records: list[Record]) -> dict[str, Record]:
    """ "greatest `updated_at`; equal: the one read later from Cliniko"."""
    best: dict[str, Record] = {}
    for record in records:
        held = best.get(str(record["id"]))
        if held is None or instant(record["updated_at"]) >= instant(held["updated_at"]):
            best[str(record["id"])] = record
    return best


def linked(record: Record, name: str) -> str | None:
    """The id at the end of `record[name].links.self`."""
    link = record.get(name)
    return link["links"]["self"].rstrip("/").split("/")[-1] if link else None


def gone(*records: Record) -> datetime | None:
    """ "until it is archived or deleted": of several records, the first end of any."""
    ends = [instant(r.get(key)) for r in records for key in ("archived_at", "deleted_at")]
    return min((end for end in ends if end), default=None)


def read_facts(cliniko: dict[str, list[Record]], outreach: list[Record], organization: str) -> Facts:
    facts = Facts()
    for record in newest(cliniko.get("patients", [])).values():
        facts.patients[str(record["id"])] = read_patient(record)
    for appointment in read_appointments(cliniko):
        facts.appointments[appointment.patient_id].append(appointment)
    for record in newest(cliniko.get("communications", [])).values():
        # "communications received from a patient (direction Received, any type)";
        # "archiving a communication later changes nothing".
        who = linked(record, "patient")
        if record["direction_description"] == "Received" and who:
            made = instant(record["created_at"])
            facts.communications[who].append(Communication(str(record["id"]), who, made))
    for record in newest(cliniko.get("recalls", [])).values():
        who = linked(record, "patient")
        if who and record["recall_at"]:
            facts.recalls[who].append(
                Recall(
                    str(record["id"]),
                    who,
                    instant(record["created_at"]),
                    date.fromisoformat(record["recall_at"][:10]),
                    gone(record),
                )
            )
    for kind, held in (("medical_alerts", facts.alerts), ("patient_cases", facts.cases)):
        for record in newest(cliniko.get(kind, [])).values():
            who = linked(record, "patient")
            if who and record["name"]:
                made = instant(record["created_at"])
                held[who].append(Condition(str(record["id"]), who, made, record["name"], gone(record)))
    read_outreach(outreach, organization, facts)
    return facts


def read_patient(record: Record) -> Patient:
    names = [record.get("first_name"), record.get("last_name")]
    return Patient(
        id=str(record["id"]),
        created_at=instant(record["created_at"]),
        gone_at=gone(record),
        merged_at=instant(record.get("merged_at")),
        merged_with=linked(record, "merged_with_patient"),
        updated_at=instant(record["updated_at"]),
        name=" ".join(name.strip() for name in names if name and name.strip()),
        phone=pick_phone(record.get("patient_phone_numbers") or []),
        email=record.get("email") or None,
        reminder_type=record.get("reminder_type"),
        sms_consent=record.get("accepted_sms_marketing"),
        email_consent=record.get("accepted_email_marketing"),
        referral_source=record.get("referral_source") or None,
    )


def pick_phone(numbers: list[Record]) -> str | None:
    """ "the first Mobile number, else the first that is no fax, as Cliniko writes it"."""
    for accepts in (lambda kind: kind == "Mobile", lambda kind: kind != "Fax"):
        for entry in numbers:
            if entry.get("number") and accepts(entry.get("phone_type")):
                return entry["number"]
    return None


def read_appointments(cliniko: dict[str, list[Record]]) -> list[Appointment]:
    types = {key: r["name"] for key, r in newest(cliniko.get("appointment_types", [])).items()}
    practitioners = newest(cliniko.get("practitioners", []))

    def type_of(record: Record) -> str | None:
        return types.get(linked(record, "appointment_type"))

    def practitioner_of(record: Record) -> str | None:
        # READING: Cliniko's display name, else first and last name.
        who = practitioners.get(linked(record, "practitioner"))
        if who is None:
            return None
        names = [who.get("first_name"), who.get("last_name")]
        return who.get("display_name") or " ".join(n for n in names if n) or None

    found = []
    for record in newest(cliniko.get("individual_appointments", [])).values():
        found.append(
            Appointment(
                id=str(record["id"]),
                attendee_id="",
                patient_id=linked(record, "patient") or "",
                created_at=instant(record["created_at"]),
                starts_at=instant(record["starts_at"]),
                cancelled_at=instant(record["cancelled_at"]),
                gone_at=gone(record),
                arrived=record["patient_arrived"] is True,
                did_not_arrive=record["did_not_arrive"] is True,
                type=type_of(record),
                practitioner=practitioner_of(record),
            )
        )
    classes = newest(cliniko.get("group_appointments", []))
    for place in newest(cliniko.get("attendees", [])).values():
        # An individual appointment has an attendee record too: it is no second appointment.
        held = classes.get(linked(place, "booking") or "")
        if held is None:
            continue
        # "A place in a class is created and cancelled when the attendee is, starts when the
        # class does, and is gone when either is." "(a place in a class: its attendee's
        # `arrived` is false)" is missed. The class's own creation and patient_ids say nothing.
        found.append(
            Appointment(
                id=str(held["id"]),
                attendee_id=str(place["id"]),
                patient_id=linked(place, "patient") or "",
                created_at=instant(place["created_at"]),
                starts_at=instant(held["starts_at"]),
                cancelled_at=instant(place["cancelled_at"]),
                gone_at=gone(place, held),
                arrived=place["arrived"] is True,
                did_not_arrive=place["arrived"] is False,
                type=type_of(held),
                practitioner=practitioner_of(held),
            )
        )
    return found


def read_outreach(outreach: list[Record], organization: str, facts: Facts) -> None:
    """ "(organization, patient id, `source`, event id) | earliest `time`; equal: smaller
    canonical JSON"."""
    winners: dict[tuple[str, str, str], tuple[datetime, str, Record]] = {}
    for event in outreach:
        if event["data"]["organization_id"] != organization:
            continue
        key = (str(event["data"]["patient_id"]), event["source"], event["id"])
        told = (instant(event["time"]), canonical_json(event), event)
        if key not in winners or told[:2] < winners[key][:2]:
            winners[key] = told
    for (patient_id, source, event_id), (time, _, event) in winners.items():
        identity = (source, event_id, patient_id)
        body = event["data"]
        if event["type"] == "outreach.outcome.v1":
            facts.events[patient_id].append(
                Event(
                    time=time,
                    identity=identity,
                    patient_id=patient_id,
                    channel=body["channel"],
                    outcome=body["outcome"],
                    message_id=body["message_id"],
                    attempt_id=body.get("attempt_id") or None,
                    reason=body.get("reason") or None,
                )
            )
        elif event["type"] == "treatment.outcome.v1":
            facts.treatments[patient_id].append(Treatment(time, identity, patient_id, body["outcome"]))
