"""The facts of one organization, parsed once; nothing in here depends on today."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Patient:
    id: str
    created_at: datetime
    gone_at: datetime | None = None  # archived or deleted, whichever came first
    merged_at: datetime | None = None
    merged_with: str | None = None
    updated_at: datetime | None = None
    name: str = ""
    phone: str | None = None
    email: str | None = None
    reminder_type: str | None = None
    sms_consent: bool | None = None
    email_consent: bool | None = None
    referral_source: str | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """An individual appointment (attendee_id "") or one attendee's place in a class."""

    id: str
    attendee_id: str
    patient_id: str
    created_at: datetime
    starts_at: datetime
    cancelled_at: datetime | None = None
    gone_at: datetime | None = None
    arrived: bool = False  # a mark that says so; False is no statement
    did_not_arrive: bool = False
    type: str | None = None
    practitioner: str | None = None


@dataclass(frozen=True, slots=True)
class Communication:
    id: str
    patient_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Recall:
    id: str
    patient_id: str
    created_at: datetime
    recall_on: date
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A medical alert or a case."""

    id: str
    patient_id: str
    created_at: datetime
    name: str
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An `outreach.outcome.v1` event, told once.

    READING: of two events in the same instant, the one with the greater `identity`, that is
    (source, event id, patient id) as text, is the later.
    """

    time: datetime
    identity: tuple[str, str, str]
    patient_id: str
    channel: str
    outcome: str
    message_id: str
    attempt_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """A `treatment.outcome.v1` event."""

    time: datetime
    identity: tuple[str, str, str]
    patient_id: str
    outcome: str


def _lists() -> defaultdict:
    return defaultdict(list)


@dataclass(slots=True)
class Facts:
    """Everything held, by the patient whom each fact names (before any merge)."""

    patients: dict[str, Patient] = field(default_factory=dict)
    appointments: dict[str, list[Appointment]] = field(default_factory=_lists)
    communications: dict[str, list[Communication]] = field(default_factory=_lists)
    recalls: dict[str, list[Recall]] = field(default_factory=_lists)
    alerts: dict[str, list[Condition]] = field(default_factory=_lists)
    cases: dict[str, list[Condition]] = field(default_factory=_lists)
    events: dict[str, list[Event]] = field(default_factory=_lists)
    treatments: dict[str, list[Treatment]] = field(default_factory=_lists)
