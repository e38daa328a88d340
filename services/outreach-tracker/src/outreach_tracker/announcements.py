"""What the service tells the others: the whole state of a message, as a record for Kafka. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from outreach_tracker.lifecycle import TWO_WAY, MessageId, Told, identity_of, without_idle_repeats
from shared.events import Data, Event, MessageChanged, OutreachEvent, TreatmentChanged
from shared.kafka import Outgoing
from shared.outreach import TreatmentOutcome
from shared.topics import MAX_RECORD_BYTES, OUTREACH_MESSAGES, record_key

SOURCE = "/outreach-tracker"
HEADERS = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
"""What CloudEvents asks of structured events in Kafka."""

SHORT_REASON = 200


@dataclass(frozen=True, slots=True)
class Occasion:
    """Which change of which patient is told; the same occasion makes the same record."""

    organization_id: str
    patient_id: str
    revision: int
    changed_at: int


def message_changed(occasion: Occasion, message: MessageId, events: Sequence[OutreachEvent]) -> Outgoing:
    """The record of a message with all its events; empty: all of them were withdrawn.

    A state beyond 256 KiB (some thousand reports of one message) leaves out first what repeats
    earlier reports and changes no number, then texts, then the oldest of the repeated contacts.
    """
    record = _message(occasion, message, events)
    if _fits(record):
        return record
    events = without_idle_repeats(events)
    record = _message(occasion, message, events)
    if _fits(record):
        return record
    events = tuple(_shortened(event) for event in events)
    record = _message(occasion, message, events)
    while not _fits(record):
        events = _fewer(events)
        record = _message(occasion, message, events)
    return record


def treatment_changed(occasion: Occasion, told: Told) -> Outgoing:
    """The record of a treatment outcome; an empty outcome: the report turned out to be no such."""
    report = told.report
    source, event_id = identity_of(report)
    data = TreatmentChanged(
        organization_id=occasion.organization_id,
        patient_id=occasion.patient_id,
        revision=occasion.revision,
        source=source,
        event_id=event_id,
        at=report.at,
        outcome=report.outcome if isinstance(report, TreatmentOutcome) else "",
    )
    return _outgoing(occasion, Event[TreatmentChanged], "treatment.changed.v1", f"{source}\0{event_id}", data)


def _message(occasion: Occasion, message: MessageId, events: Sequence[OutreachEvent]) -> Outgoing:
    channel, message_id = message
    data = MessageChanged.model_validate(
        {
            "organization_id": occasion.organization_id,
            "patient_id": occasion.patient_id,
            "revision": occasion.revision,
            "channel": channel,
            "message_id": message_id,
            "events": tuple(events),
        }
    )
    return _outgoing(occasion, Event[MessageChanged], "message.changed.v1", f"{channel}\0{message_id}", data)


def _outgoing(occasion: Occasion, model: type[Event[Data]], kind: str, subject: str, data: Data) -> Outgoing:
    key = record_key(occasion.organization_id, occasion.patient_id)
    name = b"\0".join((key, kind.encode(), subject.encode(), str(occasion.revision).encode()))
    event = model(
        id=hashlib.sha256(name).hexdigest()[:40],
        source=SOURCE,
        type=kind,
        time=occasion.changed_at,
        subject=occasion.patient_id,
        datacontenttype="application/json",
        data=data,
    )
    return Outgoing(OUTREACH_MESSAGES, key, event.model_dump_json().encode(), HEADERS)


def _fits(record: Outgoing) -> bool:
    return record.value is not None and len(record.value) <= MAX_RECORD_BYTES


def _shortened(event: OutreachEvent) -> OutreachEvent:
    reason = event.reason and event.reason[:SHORT_REASON]
    return event.model_copy(update={"campaign": None, "staff": None, "reason": reason})


def _fewer(events: Sequence[OutreachEvent]) -> tuple[OutreachEvent, ...]:
    """About half of the events: the first of each outcome, and the newest, contacts before others."""
    first: dict[str, int] = {}
    for place, event in enumerate(events):
        first.setdefault(event.outcome, place)
    ranked = sorted(
        range(len(events)),
        key=lambda place: (first[events[place].outcome] != place, events[place].outcome not in TWO_WAY, -place),
    )
    return tuple(events[place] for place in sorted(ranked[: max(1, len(events) // 2)]))
