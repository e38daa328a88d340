"""A clinic's records as the ingestor's events, in several versions each; and what must not get in."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from ingestor import compose
from ingestor.compose import Fact, Names
from ingestor.decide import decide
from ingestor.translate import translate
from rules.instants import HOUR, SECOND, parse_instant
from shared.topics import CONTACTS, OUTREACH_EVENTS, record_key
from support.oracle import Clinic

READ_AT = parse_instant("2026-11-01T00:00:00Z")
NAMED = ("appointment_types", "practitioners", "businesses", "referral_source_types")


@dataclass(frozen=True)
class Told:
    """One record to publish. `place` and `version`: which fact of which timeline it is, and how new."""

    topic: str
    key: bytes | None
    value: bytes
    kind: str
    timeline: str = ""
    place: str = ""
    version: str = ""


def events_of(clinic: Clinic, rng: Random) -> list[Told]:
    """All events of a clinic: of each record its last state, and often earlier ones."""
    found = [told for fact, updated_at in _facts(clinic) for told in _versions(clinic, fact, updated_at, rng)]
    for event in clinic.outreach:
        data = event["data"]
        key = record_key(data["organization_id"], data["patient_id"])
        told = Told(OUTREACH_EVENTS, key, json.dumps(event).encode(), "outreach", key.decode())
        found += [told] * rng.choice((1, 1, 2))
    return found


def _facts(clinic: Clinic) -> list[tuple[Fact, int]]:
    records = {kind: [translate(kind, raw) for raw in raws] for kind, raws in clinic.cliniko.items()}
    names = Names({kind: {each.id: each.name for each in records.get(kind, [])} for kind in NAMED})
    parts: dict[str, list[Any]] = {}
    for kind in ("medical_alerts", "patient_cases", "referral_sources"):
        for part in records.get(kind, []):
            parts.setdefault(part.patient, []).append(part)
    groups = {group.id: group for group in records.get("group_appointments", [])}
    made: list[tuple[Any, int]] = []
    made += [(compose.contact(p, parts.get(p.id, []), names), p.updated_at) for p in records["patients"]]
    made += [(compose.individual(a, names), a.updated_at) for a in records["individual_appointments"]]
    made += [(compose.place(a, groups.get(a.booking), names), a.updated_at) for a in records["attendees"]]
    made += [(compose.communication(c), c.updated_at) for c in records["communications"]]
    made += [(compose.recall(r), r.updated_at) for r in records["recalls"]]
    return [(fact, updated_at) for fact, updated_at in made if isinstance(fact, Fact)]


def _versions(clinic: Clinic, fact: Fact, updated_at: int, rng: Random) -> list[Told]:
    """The last state, and before it others: of other content, of another patient, read earlier."""
    patients = [patient["id"] for patient in clinic.cliniko["patients"]]
    found, before, read_at = [], None, READ_AT
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        content = _earlier(fact, rng, patients)
        other = Fact(fact.kind, fact.id, content["patient_id"], content)
        read_at += rng.choice((1, SECOND))
        older = updated_at - rng.choice((0, 0, HOUR, 48 * HOUR))
        if before is not None:
            older = max(older, before.updated_at)
        told, before = decide(clinic.settings["id"], fact.kind, other, before, updated_at=older, read_at=read_at)
        found += told
    told, _ = decide(clinic.settings["id"], fact.kind, fact, before, updated_at=updated_at, read_at=read_at + SECOND)
    return [_named(one, fact) for one in (found + told) for _ in range(rng.choice((1, 1, 1, 2, 3)))]


def _earlier(fact: Fact, rng: Random, patients: list[str]) -> dict[str, Any]:
    content = dict(fact.content)
    if fact.kind is compose.CONTACT:
        content["name"] = f"Earlier {rng.randrange(99)}"
        if rng.random() < 0.4:
            survivor = rng.choice(patients)
            merged = survivor != content["patient_id"]
            content |= {"merged_into": survivor, "merged_at": content["created_at"] + HOUR} if merged else {}
        elif rng.random() < 0.5:
            content |= {"merged_into": None, "merged_at": None}
        return content
    if rng.random() < 0.25:
        content["patient_id"] = rng.choice(patients)
    for name in ("starts_at", "created_at", "received_at"):
        if name in content and rng.random() < 0.6:
            content[name] += rng.choice((-1, 1)) * rng.randrange(1, 40) * 24 * HOUR
    if "cancelled_at" in content and rng.random() < 0.3:
        content["cancelled_at"] = None if content["cancelled_at"] else content["created_at"]
    return content


def _named(told: Any, fact: Fact) -> Told:
    data = json.loads(told.value)["data"]
    version = data["version"]
    order = f"{parse_instant(version['updated_at']):020d}.{parse_instant(version['read_at']):020d}"
    kind = {"contact": "contact", "appointment": "appointments", "communication": "communications"}.get(
        fact.kind.name, "recalls"
    )
    place = kind if kind == "contact" else f"{kind}.{fact.id}"
    return Told(told.topic, told.key, told.value, "fact", told.key.decode(), place, order)


def poison_of(clinic: Clinic, rng: Random, count: int) -> list[Told]:
    """Records that can never be applied, each with a mark that no other has."""
    organization = clinic.settings["id"]
    patient = rng.choice(clinic.cliniko["patients"])["id"]
    return [_poison(organization, patient, f"{organization}-poison-{number}", rng) for number in range(count)]


def _poison(organization: str, patient: str, mark: str, rng: Random) -> Told:
    key = record_key(organization, patient)
    data: dict[str, Any] = {"organization_id": organization, "patient_id": patient}
    event = {"specversion": "1.0", "id": mark, "source": "/chaos", "time": "2026-01-01T00:00:00Z", "data": data}
    message = {"channel": "sms", "message_id": mark, "outcome": "sent"}
    outreach: dict[str, Any] = {**event, "type": "outreach.outcome.v1", "data": {**data, **message}}
    stranger = {"organization_id": f"nobody-{mark}", "patient_id": "x"}
    choices: list[tuple[str, bytes | None, Any]] = [
        (CONTACTS, key, f"not JSON {mark}"),
        (OUTREACH_EVENTS, key, f'{{"half": "{mark}'),
        (CONTACTS, key, {**event, "type": "contact.sang.v1"}),
        (OUTREACH_EVENTS, key, {**outreach, "type": "outreach.rumour.v1"}),
        (CONTACTS, b"somebody:else", {**event, "type": "contact.changed.v1"}),
        (OUTREACH_EVENTS, b"somebody:else", outreach),
        (OUTREACH_EVENTS, None, outreach),
        (OUTREACH_EVENTS, key, {**outreach, "time": "1066-10-14T09:00:00Z"}),
        (OUTREACH_EVENTS, key, {**outreach, "time": "2999-01-01T00:00:00Z"}),
        (OUTREACH_EVENTS, key, {**outreach, "data": {**data, **message, "outcome": "clicked"}}),
        (OUTREACH_EVENTS, record_key(**stranger), {**outreach, "data": {**stranger, **message}}),
    ]
    topic, own_key, value = rng.choice(choices)
    text = value if isinstance(value, str) else json.dumps(value)
    return Told(topic, own_key, text.encode(), "poison")
