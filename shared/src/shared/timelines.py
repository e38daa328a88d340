"""How a patient's timeline lies in MongoDB, and how it becomes the rules' facts.

One document per patient in `risk_engine.timelines`, `_id` "organization:patient":

    organization_id, patient_id
    home            number of the partition whose owner settles the organization
    revision        grows with every change
    dirty           when the timeline first changed after it was last settled (µs); absent when settled
    failed          why it could not be settled as it is; absent when it could
    erased          true: the patient's facts are part of an anonymous timeline now, or were dropped
    merged_into     `_id` of the surviving patient's timeline, when merged away
    survivors       every `merged_into` it ever had: all of them follow its changes
    contact         the patient's record
    appointments, communications, recalls, messages, treatments   {fact id: fact}

Every fact carries `v`, the order of its version: text that sorts as the versions do. A fact that left for another patient is a tombstone, `{v, left: true}`.
Instants are microseconds since the epoch, absent where there is none; days are ordinals.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka.partitioner import murmur2

from rules.facts import Appointment, Communication, Contact, Facts, Recall, Report, Treatment
from rules.instants import FOREVER
from rules.merging import sorted_facts, with_absorbed
from shared.collection import Collection, Session
from shared.topics import PARTITIONS

Document = Mapping[str, Any]

Merged = Mapping[str, Sequence[Document]]
"""Timelines of merged patients by the `_id` of the survivor's timeline; also former ones may be among them."""

DATABASE = "risk_engine"
TIMELINES = "timelines"
STANDINGS = "standings"
ASSESSMENTS = "assessments"

_ESCAPES = {"%": "%25", ".": "%2E", "$": "%24", "\0": "%00"}


def timeline_id(organization_id: str, patient_id: str) -> str:
    """The `_id` of a patient's timeline: also the key of the patient's records in Kafka."""
    return f"{organization_id}:{patient_id}"


def home_partition(organization_id: str) -> int:
    """The partition whose owner settles an organization, chosen as Kafka chooses one for a key."""
    return int((murmur2(organization_id.encode()) & 0x7FFFFFFF) % PARTITIONS)


def field_name(fact_id: str) -> str:
    """A fact's id as a name that MongoDB takes as one field: no dots, no dollars, no NUL."""
    if any(character in fact_id for character in _ESCAPES):
        return "".join(_ESCAPES.get(character, character) for character in fact_id)
    return fact_id


def facts_of(timeline: Document) -> Facts:
    """The patient's own facts, in the order that the rules expect; none of one that was erased."""
    if "erased" in timeline:
        return Facts(timeline["patient_id"], None)
    return sorted_facts(
        Facts(
            timeline["patient_id"],
            _contact(timeline.get("contact")),
            tuple(_appointment(f) for f in _present(timeline, "appointments")),
            tuple(
                Communication(f["received_at"], f.get("known_from", 0), f["id"])
                for f in _present(timeline, "communications")
            ),
            tuple(
                Recall(f["created_at"], f["due_on"], f.get("gone_at", FOREVER), f.get("known_from", 0), f["id"])
                for f in _present(timeline, "recalls")
            ),
            tuple(r for f in _present(timeline, "messages") for r in _reports(f)),
            tuple(
                Treatment(f["at"], f["outcome"], f["source"], f["event_id"]) for f in _present(timeline, "treatments")
            ),
        )
    )


def facts_with_merged(timeline: Document, merged: Merged) -> Facts:
    """The patient's facts and those of the patients merged into it, chains followed.

    `merged` holds the timelines that name a survivor, by the survivor's `_id`.
    """
    return _with_merged(timeline, merged, frozenset())


async def merged_timelines(
    timelines: Collection, survivors: list[str], session: Session = None
) -> dict[str, list[dict[str, Any]]]:
    """The timelines merged into these, now or before, chains followed, by the survivor's `_id`."""
    found: dict[str, list[dict[str, Any]]] = {}
    pending = list(survivors)
    while pending:
        losers = await timelines.find({"survivors": {"$in": pending}}, session=session).to_list()
        found.update((survivor, []) for survivor in pending)
        for loser in losers:
            for survivor in set(pending).intersection(loser["survivors"]):
                found[survivor].append(loser)
        pending = [loser["_id"] for loser in losers if loser["_id"] not in found]
    return found


def _with_merged(timeline: Document, merged: Merged, seen: frozenset[str]) -> Facts:
    own = facts_of(timeline)
    losers = merged.get(timeline["_id"], ())
    if not losers:
        return own
    seen = seen | {timeline["_id"]}
    return with_absorbed(
        own,
        (
            (loser["contact"]["merged_at"], _with_merged(loser, merged, seen))
            for loser in losers
            if loser["_id"] not in seen and loser.get("merged_into") == timeline["_id"]
        ),
    )


def _present(timeline: Document, kind: str) -> Iterable[Document]:
    facts = timeline.get(kind)
    return () if not facts else (f for f in facts.values() if "left" not in f)


def _contact(contact: Document | None) -> Contact | None:
    if contact is None or "created_at" not in contact:
        return None
    return Contact(
        created_at=contact["created_at"],
        gone_at=contact.get("gone_at", FOREVER),
        merged_at=contact.get("merged_at", FOREVER),
        merged_into=contact.get("merged_into"),
        updated_at=contact["updated_at"],
        name=contact["name"],
        email=contact.get("email"),
        phone=contact.get("phone"),
        accepts_sms_marketing=contact.get("accepts_sms_marketing"),
        accepts_email_marketing=contact.get("accepts_email_marketing"),
        reminder_type=contact.get("reminder_type"),
        health_conditions=tuple(contact.get("health_conditions", ())),
        referral_source=contact.get("referral_source"),
        erased=contact.get("erased", False),
    )


def _appointment(f: Document) -> Appointment:
    return Appointment(
        f["order"],
        f["id"],
        f["created_at"],
        f["starts_at"],
        f.get("cancelled_at", FOREVER),
        f.get("gone_at", FOREVER),
        f.get("missed", False),
        f.get("arrived", False),
        f.get("type"),
        f.get("practitioner"),
        f.get("known_from", 0),
    )


def _reports(message: Document) -> Iterable[Report]:
    channel, message_id = message["channel"], message["message_id"]
    return (
        Report(
            e["at"],
            channel,
            message_id,
            e["outcome"],
            e.get("attempt_id"),
            e.get("reason"),
            e["source"],
            e["event_id"],
            e.get("campaign"),
            e.get("staff"),
            e.get("known_from", 0),
        )
        for e in message["events"]
    )
