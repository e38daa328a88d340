"""What an event changes in a timeline: which fact, at which version, to which content."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rules.calendar import day_of_text
from shared.events import (
    AppointmentChanged,
    AppointmentLeft,
    CommunicationLeft,
    CommunicationReceived,
    ContactChanged,
    MessageChanged,
    OfPatient,
    OutreachEvent,
    RecallChanged,
    RecallLeft,
    TreatmentChanged,
)
from shared.timelines import field_name, timeline_id

Fact = dict[str, Any]


class Change(NamedTuple):
    """A fact's new content for one field of a timeline; the greater version wins."""

    organization_id: str
    patient_id: str
    field: str
    version: str
    fact: Fact
    merged_into: str | None = None

    @property
    def timeline(self) -> str:
        """The `_id` of the timeline."""
        return timeline_id(self.organization_id, self.patient_id)


def change_of(event: OfPatient) -> Change:
    """The change that an event of our own services makes; raises KeyError for other types."""
    field, version, fact = _TRANSLATIONS[type(event)](event)
    merged_into = None
    if isinstance(event, ContactChanged) and event.merged_into and event.merged_at is not None:
        merged_into = timeline_id(event.organization_id, event.merged_into)
    known = {name: value for name, value in fact.items() if value is not None}
    return Change(
        event.organization_id,
        event.patient_id,
        field,
        version,
        {"v": version, **known},
        merged_into,
    )


def _contact(e: ContactChanged) -> tuple[str, str, Fact]:
    merged = e.merged_into is not None and e.merged_at is not None
    return (
        "contact",
        e.version.order,
        {
            "created_at": e.created_at,
            "updated_at": e.updated_at,
            "gone_at": e.archived_at,
            "merged_at": e.merged_at if merged else None,
            "merged_into": e.merged_into if merged else None,
            "name": e.name,
            "email": e.email,
            "phone": e.phone,
            "accepts_sms_marketing": e.accepts_sms_marketing,
            "accepts_email_marketing": e.accepts_email_marketing,
            "reminder_type": e.reminder_type,
            "health_conditions": list(e.health_conditions),
            "referral_source": e.referral_source,
        },
    )


def _appointment(e: AppointmentChanged) -> tuple[str, str, Fact]:
    return (
        f"appointments.{field_name(e.appointment_id)}",
        e.version.order,
        {
            "id": e.booking_id,
            "order": e.appointment_id,
            "created_at": e.created_at,
            "starts_at": e.starts_at,
            "cancelled_at": e.cancelled_at,
            "gone_at": e.gone_at,
            "missed": e.did_not_arrive or None,
            "arrived": e.arrived or None,
            "type": e.appointment_type,
            "practitioner": e.practitioner,
        },
    )


def _communication(e: CommunicationReceived) -> tuple[str, str, Fact]:
    return (
        f"communications.{field_name(e.communication_id)}",
        e.version.order,
        {"id": e.communication_id, "received_at": e.received_at, "channel": e.channel},
    )


def _recall(e: RecallChanged) -> tuple[str, str, Fact]:
    return (
        f"recalls.{field_name(e.recall_id)}",
        e.version.order,
        {
            "id": e.recall_id,
            "created_at": e.created_at,
            "gone_at": e.gone_at,
            "due_on": day_of_text(e.due_on),
        },
    )


def _left(kind: str, fact_id: str, version: str) -> tuple[str, str, Fact]:
    return f"{kind}.{field_name(fact_id)}", version, {"left": True}


def _revision(revision: int) -> str:
    return f"{revision:020d}"


def _message(e: MessageChanged) -> tuple[str, str, Fact]:
    if not e.events:
        fact: Fact = {"left": True}
    else:
        fact = {
            "channel": e.channel,
            "message_id": e.message_id,
            "events": [_report(r) for r in e.events],
        }
    return f"messages.{field_name(f'{e.channel}:{e.message_id}')}", _revision(e.revision), fact


def _report(report: OutreachEvent) -> Fact:
    return {name: value for name, value in report.model_dump().items() if value is not None}


def _treatment(e: TreatmentChanged) -> tuple[str, str, Fact]:
    fact: Fact = {"left": True}  # an empty outcome: the report was withdrawn
    if e.outcome:
        fact = {"at": e.at, "outcome": e.outcome, "source": e.source, "event_id": e.event_id}
    return f"treatments.{field_name(f'{e.source}:{e.event_id}')}", _revision(e.revision), fact


_TRANSLATIONS: dict[type[OfPatient], Callable[[Any], tuple[str, str, Fact]]] = {
    ContactChanged: _contact,
    AppointmentChanged: _appointment,
    AppointmentLeft: lambda e: _left("appointments", e.appointment_id, e.version.order),
    CommunicationReceived: _communication,
    CommunicationLeft: lambda e: _left("communications", e.communication_id, e.version.order),
    RecallChanged: _recall,
    RecallLeft: lambda e: _left("recalls", e.recall_id, e.version.order),
    MessageChanged: _message,
    TreatmentChanged: _treatment,
}
