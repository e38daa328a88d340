"""What the benchmarks publish: events of made-up patients, the same for the same seed.

A patient has a record, visits in a rhythm of one's own, perhaps a booking, and for three in ten
outreach messages. Half of them were seen in the last two months, the others up to two years ago.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from rules.instants import DAY, HOUR, SECOND, format_instant
from shared.topics import APPOINTMENTS, CONTACTS, OUTREACH_MESSAGES, record_key

TYPES = ("Initial", "Standard appointment", "Follow-up", "Treatment")
PRACTITIONERS = tuple(f"Practitioner {number}" for number in range(8))
ANSWERS = {
    "sms": ("sent", "delivered", "responded", "failed"),
    "email": ("sent", "delivered", "opened", "bounced"),
    "phone": ("attempted", "connected", "no_answer"),
}
QUARTER = 900 * SECOND


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic."""

    topic: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom an event is about."""

    organization: str
    id: str

    def event(self, topic: str, kind: str, now: int, fields: dict[str, Any]) -> Record:
        """An event as our own services write it."""
        envelope = {
            "specversion": "1.0",
            "id": f"{self.id}-{kind}-{fields.get('appointment_id') or fields.get('message_id', '')}",
            "source": "/bench",
            "type": kind,
            "time": format_instant(now),
            "subject": self.id,
            "datacontenttype": "application/json",
            "data": {"organization_id": self.organization, "patient_id": self.id, **fields},
        }
        return Record(topic, record_key(self.organization, self.id), orjson.dumps(envelope))


def patients(organization: str, count: int, *, first: int = 0) -> list[Patient]:
    """Patients of one organization, ids of the same length."""
    return [Patient(organization, f"p{number:07d}") for number in range(first, first + count)]


def events_of(of: list[Patient], *, seed: int, now: int) -> Iterator[Record]:
    """Everything about these patients, patient by patient; about eight events each."""
    rng = Random(f"bench {seed}")
    for patient in of:
        yield from _history(patient, rng, now)


def _history(patient: Patient, rng: Random, now: int) -> Iterator[Record]:
    last = now - int((rng.random() * 60 if rng.random() < 0.5 else 60 + rng.random() * 640) * DAY)
    rhythm = rng.choice((7, 14, 14, 21, 28)) * DAY
    visits = [last - number * rhythm for number in range(rng.choice((1, 2, 4, 6, 8)))]
    created = visits[-1] - rng.randrange(14 * DAY)
    yield contact(patient, created, now, number=rng.randrange(10**8))
    for number, at in enumerate(visits):
        missed, cancelled = rng.random() < 0.07, rng.random() < 0.07
        yield appointment(
            patient, f"{number}", at - rng.randrange(HOUR, 14 * DAY), at, now, missed=missed, cancelled=cancelled
        )
    if last > now - 60 * DAY and rng.random() < 0.5:
        yield appointment(patient, "b", last, now + rng.randrange(HOUR, 30 * DAY), now)
    if rng.random() < 0.3:
        for number in range(rng.randrange(1, 4)):
            at = last + rng.randrange(10 * DAY, 100 * DAY) + number * 9 * DAY
            if at < now:
                yield message(patient, f"m{number}", rng.choice(tuple(ANSWERS)), at, rng.randrange(1, 4))


def contact(patient: Patient, created: int, now: int, *, number: int) -> Record:
    """The patient's record."""
    fields = {
        "version": _version(now),
        "created_at": format_instant(created),
        "updated_at": format_instant(created + HOUR),
        "name": f"Example Patient {number:08d}",
        "email": f"patient{number}@example.com",
        "phone": f"+61 491 {number % 1_000_000:06d}",
        "accepts_sms_marketing": number % 3 != 0,
        "reminder_type": "SMS",
        "health_conditions": ["Shoulder"] if number % 4 == 0 else [],
        "referral_source": "GP referral" if number % 2 else None,
    }
    return patient.event(CONTACTS, "contact.changed.v1", now, fields)


def appointment(
    patient: Patient,
    number: str,
    created: int,
    starts: int,
    now: int,
    *,
    missed: bool = False,
    cancelled: bool = False,
) -> Record:
    """An individual appointment, its start at a quarter of an hour."""
    starts -= starts % QUARTER
    ident = f"{patient.id}-{number}"
    fields = {
        "version": _version(now),
        "appointment_id": ident,
        "booking_id": ident,
        "kind": "individual",
        "created_at": format_instant(created - created % SECOND),
        "starts_at": format_instant(starts),
        "ends_at": format_instant(starts + 2 * QUARTER),
        "cancelled_at": format_instant(starts - HOUR) if cancelled else None,
        "did_not_arrive": missed and not cancelled and starts < now,
        "arrived": not missed and not cancelled and starts < now,
        "appointment_type": TYPES[hash_of(ident) % len(TYPES)],
        "practitioner": PRACTITIONERS[hash_of(patient.id) % len(PRACTITIONERS)],
        "business": "Main Street",
    }
    return patient.event(APPOINTMENTS, "appointment.changed.v1", now, fields)


def message(patient: Patient, ident: str, channel: str, at: int, reports: int, *, revision: int = 1) -> Record:
    """A message and the first of its reports."""
    events = [
        {
            "source": "/crm",
            "event_id": f"{patient.id}-{ident}-{number}",
            "at": format_instant(at + number * HOUR),
            "outcome": outcome,
            "attempt_id": f"{patient.id}-{ident}",
            "campaign": "recall",
        }
        for number, outcome in enumerate(ANSWERS[channel][:reports])
    ]
    fields = {"revision": revision, "channel": channel, "message_id": ident, "events": events}
    return patient.event(OUTREACH_MESSAGES, "message.changed.v1", at, fields)


def hash_of(text: str) -> int:
    """The same in every process, unlike `hash`."""
    return sum(text.encode())


def _version(now: int) -> dict[str, str]:
    return {"updated_at": format_instant(now), "read_at": format_instant(now)}
