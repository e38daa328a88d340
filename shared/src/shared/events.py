"""What an event may hold: CloudEvents 1.0 in structured JSON, one model for each event type.

Every event carries the whole current state of the record it is about (state transfer): losing
one is healed by the next, applying one twice or late changes nothing. Unknown fields are
ignored. Models are the source of the JSON Schemas in `contracts/`.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from rules.calendar import plausible_day
from rules.instants import format_instant, parse_instant, plausible

Id = Annotated[str, Field(min_length=1, max_length=200)]
"""Ids are text and compare as text."""

MAX_TEXT = 2_000


def _instant(value: Any) -> int:
    if isinstance(value, str):
        return plausible(parse_instant(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return plausible(value)
    raise ValueError("expected an RFC 3339 time stamp")


Instant = Annotated[
    int,
    BeforeValidator(_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Microseconds since the epoch in Python, RFC 3339 in JSON; of a plausible year."""


class Contract(BaseModel):
    """What all models of events have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class OfPatient(Contract):
    """Data that is about one patient of one organization: the topic's key."""

    organization_id: Id
    patient_id: Id


class Version(Contract):
    """Which of two states of a Cliniko record is newer: `updated_at`, then the later read."""

    updated_at: Instant
    read_at: Instant

    @property
    def order(self) -> str:
        """Text that sorts as the versions do."""
        return f"{_sortable(self.updated_at)}.{_sortable(self.read_at)}"


def _sortable(instant: int) -> str:
    """Twenty characters; of a negative number what is left to the smallest, behind a sign that sorts before digits."""
    return f"{instant:020d}" if instant >= 0 else f"-{10**19 + instant:019d}"


class FromCliniko(OfPatient):
    """Data that came from one Cliniko record (with the parts that enrich it)."""

    version: Version


class ContactChanged(FromCliniko):
    """A patient record of Cliniko; `health_conditions` and `referral_source` are its parts."""

    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None = None
    merged_at: Instant | None = None
    merged_into: Id | None = None
    name: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    accepts_sms_marketing: bool | None = None
    accepts_email_marketing: bool | None = None
    reminder_type: str | None = None
    health_conditions: tuple[str, ...] = ()
    referral_source: str | None = None


class ContactErased(FromCliniko):
    """The patient was deleted for good in Cliniko: nothing personal may stay."""

    erased_at: Instant


class AppointmentChanged(FromCliniko):
    """An individual appointment, or one attendee's place in a group appointment.

    `appointment_id` is the appointment's id, for a place in a class `{appointment}/{attendee}`.
    `gone_at` is the earliest of archived and deleted, of any of its parts.
    """

    appointment_id: Id
    booking_id: Id
    kind: Literal["individual", "group"]
    created_at: Instant
    starts_at: Instant
    ends_at: Instant | None = None
    cancelled_at: Instant | None = None
    gone_at: Instant | None = None
    did_not_arrive: bool
    arrived: bool
    appointment_type: str | None = None
    practitioner: str | None = None
    business: str | None = None


class AppointmentLeft(FromCliniko):
    """The appointment names another patient now."""

    appointment_id: Id


class CommunicationReceived(FromCliniko):
    """A communication that the clinic received from the patient, of any type."""

    communication_id: Id
    received_at: Instant
    channel: str | None = None


class CommunicationLeft(FromCliniko):
    """The communication names another patient now."""

    communication_id: Id


class RecallChanged(FromCliniko):
    """A recall; `due_on` is a plain date of the clinic's calendar (YYYY-MM-DD)."""

    recall_id: Id
    created_at: Instant
    gone_at: Instant | None = None
    due_on: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(plausible_day)]


class RecallLeft(FromCliniko):
    """The recall names another patient now."""

    recall_id: Id


Revision = Annotated[int, Field(ge=0, le=2**53)]
"""Grows by one with every change; no larger than what every reader of JSON takes for a whole number."""

Channel = Literal["sms", "email", "phone"]

OUTCOMES: dict[str, tuple[str, ...]] = {
    "sms": ("sent", "delivered", "responded", "failed", "opted_out"),
    "email": ("sent", "delivered", "opened", "clicked", "responded", "bounced", "opted_out"),
    "phone": (
        "attempted",
        "connected",
        "appointment_booked",
        "no_answer",
        "failed",
        "voicemail",
    ),
}
"""Outcomes that a publisher may report, by channel (definitions.md, Outreach)."""


class OutreachEvent(Contract):
    """One report about a message, as its publisher told it."""

    source: str
    event_id: str
    at: Instant
    outcome: str
    attempt_id: str | None = None
    campaign: str | None = None
    reason: str | None = None
    staff: str | None = None


_BY_CHANNEL: dict[str, Any] = {
    "allOf": [
        {
            "if": {"properties": {"channel": {"const": channel}}},
            "then": {"properties": {"events": {"items": {"properties": {"outcome": {"enum": list(outcomes)}}}}}},
        }
        for channel, outcomes in OUTCOMES.items()
    ]
}


class MessageChanged(OfPatient):
    """A message with all that is known of it; empty `events`: all of them were withdrawn.

    `revision` grows with every change of the patient's outreach at the tracker.
    """

    model_config = ConfigDict(json_schema_extra=_BY_CHANNEL)

    revision: Revision
    channel: Channel
    message_id: str
    events: tuple[OutreachEvent, ...]

    @field_validator("events")
    @classmethod
    def _outcomes_of_channel(
        cls, events: tuple[OutreachEvent, ...], others: ValidationInfo
    ) -> tuple[OutreachEvent, ...]:
        known = OUTCOMES.get(others.data.get("channel", ""), ())  # a wrong channel is told by itself
        if known and any(event.outcome not in known for event in events):
            raise ValueError("an outcome that the channel does not have")
        return events


class TreatmentChanged(OfPatient):
    """A treatment outcome as reported by another system; an empty one: the report was withdrawn."""

    revision: Revision
    source: str
    event_id: str
    at: Instant
    outcome: str


Data = TypeVar("Data", bound=Contract)


class Event(Contract, Generic[Data]):
    """The CloudEvents 1.0 envelope in structured mode."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Field(min_length=1, max_length=500)]
    source: Annotated[str, Field(min_length=1, max_length=500)]
    type: str
    time: Instant
    subject: str | None = None
    datacontenttype: str | None = None
    data: Data


DATA_OF_TYPE: dict[str, type[OfPatient]] = {
    "contact.changed.v1": ContactChanged,
    "contact.erased.v1": ContactErased,
    "recall.changed.v1": RecallChanged,
    "recall.left.v1": RecallLeft,
    "appointment.changed.v1": AppointmentChanged,
    "appointment.left.v1": AppointmentLeft,
    "communication.received.v1": CommunicationReceived,
    "communication.left.v1": CommunicationLeft,
    "message.changed.v1": MessageChanged,
    "treatment.changed.v1": TreatmentChanged,
}
"""Data model of every event type that our own services write."""
