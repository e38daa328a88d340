"""What stays of an erased patient: when things happened and how they ended, nobody's and wordless.

Days before the erasure still count the patient, so the dates, channels and outcomes stay, under
a random id. Names, addresses, texts and all ids of other systems go; ids that break ties are
replaced by numbers in the same order.
"""

from typing import Any

from rules.facts import Facts
from rules.instants import FOREVER

Fact = dict[str, Any]


def anonymous_timeline(facts: Facts, *, timeline_id: str, patient_id: str, erased_at: int) -> Fact:
    """The anonymous timeline of a patient with these facts (merged ones included)."""
    contact = facts.contact
    kept: Fact = {}
    if contact is not None:
        kept = {
            "v": "",
            "created_at": contact.created_at,
            "updated_at": erased_at,
            "gone_at": min(contact.gone_at, erased_at),
            "name": "",
            "erased": True,
        }
        if contact.merged_at < FOREVER:
            kept |= {"merged_at": contact.merged_at, "merged_into": contact.merged_into}
    return {
        "_id": timeline_id,
        "patient_id": patient_id,
        "contact": kept,
        "appointments": _appointments(facts),
        "communications": {
            str(n): _known({"id": str(n), "received_at": c.at}, c.known_from)
            for n, c in enumerate(facts.communications)
        },
        "recalls": {
            str(n): _known(
                {"id": str(n), "created_at": r.created_at, "due_on": r.due_on} | _end("gone_at", r.gone_at),
                r.known_from,
            )
            for n, r in enumerate(facts.recalls)
        },
        "messages": _messages(facts),
        "treatments": {},
    }


def _appointments(facts: Facts) -> dict[str, Fact]:
    ordered = sorted(facts.appointments, key=lambda a: a.order)
    kept = {}
    for n, a in enumerate(ordered):
        number = f"{n:06d}"
        fact = {"id": number, "order": number, "created_at": a.created_at, "starts_at": a.starts_at}
        fact |= _end("cancelled_at", a.cancelled_at) | _end("gone_at", a.gone_at)
        if a.missed:
            fact["missed"] = True
        if a.arrived:
            fact["arrived"] = True
        if a.type is not None:
            fact["type"] = a.type  # the clinic's word, which decides when a follow-up was due
        kept[number] = _known(fact, a.known_from)
    return kept


def _messages(facts: Facts) -> dict[str, Fact]:
    numbers = _numbered({(r.channel, r.message_id) for r in facts.reports})
    attempts = _numbered({r.attempt_id for r in facts.reports if r.attempt_id is not None})
    sources = _numbered({(r.source, r.event_id) for r in facts.reports})
    kept: dict[str, Fact] = {}
    for r in facts.reports:
        number = numbers[r.channel, r.message_id]
        message = kept.setdefault(number, {"v": "", "channel": r.channel, "message_id": number, "events": []})
        event = {"at": r.at, "outcome": r.outcome, "source": "", "event_id": sources[r.source, r.event_id]}
        if r.attempt_id is not None:
            event["attempt_id"] = attempts[r.attempt_id]
        if r.known_from:
            event["known_from"] = r.known_from
        message["events"].append(event)
    return kept


def _numbered(ids: set[Any]) -> dict[Any, str]:
    return {found: f"{n:06d}" for n, found in enumerate(sorted(ids))}


def _end(name: str, instant: int) -> Fact:
    return {name: instant} if instant < FOREVER else {}


def _known(fact: Fact, known_from: int) -> Fact:
    return {"v": "", **fact, **({"known_from": known_from} if known_from else {})}
