"""The map: every topic, what it carries, who writes it and who reads it.

All topics are keyed `organization_id:patient_id` and have the same number of partitions, so
that everything about one patient is in one place, in order, and one consumer sees all of it.
"""

from dataclasses import dataclass

PARTITIONS = 12
MAX_RECORD_BYTES = 256 * 1024

CONTACTS = "cliniko-contacts"
APPOINTMENTS = "cliniko-appointments"
COMMUNICATIONS = "cliniko-communications"
OUTREACH_EVENTS = "outreach-events"
OUTREACH_MESSAGES = "outreach-messages"

DAYS = 24 * 3600 * 1000
"""Milliseconds, as Kafka's retention settings count."""


@dataclass(frozen=True)
class Topic:
    """One topic of the system; `retention_ms` None keeps the newest record of a key for ever."""

    name: str
    producer: str
    consumers: tuple[str, ...]
    event_types: tuple[str, ...]
    retention_ms: int | None

    @property
    def dead_letters(self) -> str:
        """Name of the topic for records of this one that can never succeed."""
        return dead_letters_of(self.name)


def dead_letters_of(topic: str) -> str:
    """Name of the dead-letter topic of a topic."""
    return f"{topic}-dlq"


TOPICS: tuple[Topic, ...] = (
    Topic(
        CONTACTS,
        "ingestor",
        ("risk-engine",),
        ("contact.changed.v1", "contact.erased.v1", "recall.changed.v1", "recall.left.v1"),
        30 * DAYS,
    ),
    Topic(
        APPOINTMENTS,
        "ingestor",
        ("risk-engine",),
        ("appointment.changed.v1", "appointment.left.v1"),
        30 * DAYS,
    ),
    Topic(
        COMMUNICATIONS,
        "ingestor",
        ("risk-engine",),
        ("communication.received.v1", "communication.left.v1"),
        30 * DAYS,
    ),
    Topic(
        OUTREACH_EVENTS,
        "any system",
        ("outreach-tracker",),
        ("outreach.outcome.v1", "treatment.outcome.v1"),
        30 * DAYS,
    ),
    Topic(
        OUTREACH_MESSAGES,
        "outreach-tracker",
        ("risk-engine",),
        ("message.changed.v1", "treatment.changed.v1"),
        30 * DAYS,
    ),
)

DEAD_LETTER_RETENTION_MS = 30 * DAYS

RISK_ENGINE_TOPICS = (CONTACTS, APPOINTMENTS, COMMUNICATIONS, OUTREACH_MESSAGES)


def record_key(organization_id: str, patient_id: str) -> bytes:
    """The Kafka key of everything about one patient."""
    return f"{organization_id}:{patient_id}".encode()
