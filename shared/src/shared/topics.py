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

OUTAGE_MS = 4 * DAYS
"""A consumer that was away for no longer than this finds every record of every topic."""

RETOLD_MS = 7 * DAYS
"""How long records are kept whose producer can tell them anew (docs/adr/0005)."""

UNIQUE_MS = 14 * DAYS
"""How long records are kept that nobody can tell anew."""

_SEGMENT_MS = 1 * DAYS
"""Records go by segments: one is deleted at most this much later than it may be."""


@dataclass(frozen=True)
class Topic:
    """One topic of the system.

    `compacted`: a tombstone removes a key's earlier records soon, not only with the retention.
    """

    name: str
    producer: str
    consumers: tuple[str, ...]
    event_types: tuple[str, ...]
    retention_ms: int
    compacted: bool = False

    @property
    def configs(self) -> dict[str, str]:
        """The topic's settings in Kafka."""
        if not self.compacted:
            return _deleted_after(self.retention_ms)
        return _deleted_after(self.retention_ms) | {
            "cleanup.policy": "compact,delete",
            "min.compaction.lag.ms": str(OUTAGE_MS),
            "max.compaction.lag.ms": str(OUTAGE_MS + _SEGMENT_MS),
            "delete.retention.ms": str(_SEGMENT_MS),
        }

    @property
    def dead_letter_configs(self) -> dict[str, str]:
        """The settings of its dead-letter topic; a letter holds a stranger's record, and headers."""
        return _deleted_after(DEAD_LETTER_RETENTION_MS) | {"max.message.bytes": str(_DEAD_LETTER_MAX_BYTES)}

    @property
    def dead_letters(self) -> str:
        """Name of the topic for records of this one that can never succeed."""
        return dead_letters_of(self.name)


def _deleted_after(milliseconds: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(milliseconds), "segment.ms": str(_SEGMENT_MS)}


def dead_letters_of(topic: str) -> str:
    """Name of the dead-letter topic of a topic."""
    return f"{topic}-dlq"


TOPICS: tuple[Topic, ...] = (
    Topic(
        CONTACTS,
        "ingestor",
        ("risk-engine", "outreach-tracker"),
        ("contact.changed.v1", "contact.erased.v1", "recall.changed.v1", "recall.left.v1"),
        RETOLD_MS,
        compacted=True,
    ),
    Topic(
        APPOINTMENTS,
        "ingestor",
        ("risk-engine",),
        ("appointment.changed.v1", "appointment.left.v1"),
        RETOLD_MS,
        compacted=True,
    ),
    Topic(
        COMMUNICATIONS,
        "ingestor",
        ("risk-engine",),
        ("communication.received.v1", "communication.left.v1"),
        RETOLD_MS,
        compacted=True,
    ),
    Topic(
        OUTREACH_EVENTS,
        "any system",
        ("outreach-tracker",),
        ("outreach.outcome.v1", "treatment.outcome.v1"),
        UNIQUE_MS,
    ),
    Topic(
        OUTREACH_MESSAGES,
        "outreach-tracker",
        ("risk-engine",),
        ("message.changed.v1", "treatment.changed.v1"),
        RETOLD_MS,
        compacted=True,
    ),
)

TYPES_IN = {topic.name: frozenset(topic.event_types) for topic in TOPICS}
"""Event types by topic: others do not belong there, and readers of another topic would miss them."""

DEAD_LETTER_RETENTION_MS = UNIQUE_MS
_DEAD_LETTER_MAX_BYTES = 2 * 1024 * 1024
"""A dead letter holds a stranger's record (at most 1 MiB by the broker's default) and headers."""

TRACKER_TOPICS = (OUTREACH_EVENTS, CONTACTS)
"""Of the contacts the tracker heeds the erasures."""

RISK_ENGINE_TOPICS = (CONTACTS, APPOINTMENTS, COMMUNICATIONS, OUTREACH_MESSAGES)


def record_key(organization_id: str, patient_id: str) -> bytes:
    """The Kafka key of everything about one patient."""
    return f"{organization_id}:{patient_id}".encode()
