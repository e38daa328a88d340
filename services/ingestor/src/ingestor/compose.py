"""Which fact do these records make? Parts in, content of a fact out; nothing is read or written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ingestor.fields import full_name
from ingestor.records import (
    Attendee,
    Communication,
    Condition,
    GroupAppointment,
    IndividualAppointment,
    MedicalAlert,
    Part,
    Patient,
    PatientCase,
    Recall,
    ReferralSource,
)
from shared.events import (
    AppointmentChanged,
    AppointmentLeft,
    CommunicationLeft,
    CommunicationReceived,
    ContactChanged,
    FromCliniko,
    RecallChanged,
    RecallLeft,
)
from shared.topics import APPOINTMENTS, COMMUNICATIONS, CONTACTS

MOST_CONDITIONS = 100
LONGEST_CONDITION = 500
"""Characters; Cliniko's names have at most 255."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact: where it is told, and how; `named` is the field that holds its id."""

    name: str
    topic: str
    changed: str
    changed_model: type[FromCliniko]
    left: str | None = None
    left_model: type[FromCliniko] | None = None
    named: str | None = None


CONTACT = Kind("contact", CONTACTS, "contact.changed.v1", ContactChanged)
APPOINTMENT = Kind(
    "appointment",
    APPOINTMENTS,
    "appointment.changed.v1",
    AppointmentChanged,
    "appointment.left.v1",
    AppointmentLeft,
    "appointment_id",
)
COMMUNICATION = Kind(
    "communication",
    COMMUNICATIONS,
    "communication.received.v1",
    CommunicationReceived,
    "communication.left.v1",
    CommunicationLeft,
    "communication_id",
)
RECALL = Kind(
    "recall",
    CONTACTS,
    "recall.changed.v1",
    RecallChanged,
    "recall.left.v1",
    RecallLeft,
    "recall_id",
)

KIND_OF_RESOURCE = {
    "patients": CONTACT,
    "individual_appointments": APPOINTMENT,
    "attendees": APPOINTMENT,
    "communications": COMMUNICATION,
    "recalls": RECALL,
}
"""By the resource of the fact's own record."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact of one patient; `content` is its event's data without organization and version."""

    kind: Kind
    id: str
    patient: str
    content: dict[str, Any]


class NoFact(Enum):
    """Why records make no fact."""

    UNTOLD = "what is needed is not there: nothing is said of what was told before"
    WITHDRAWN = "what was told before is no longer so"


@dataclass(slots=True)
class Names:
    """What appointments and contacts call by id, by resource."""

    by_resource: dict[str, dict[str, str | None]] = field(default_factory=dict)

    def name(self, resource: str, record_id: str | None) -> str | None:
        """The name; None when the record is unknown, or has none."""
        return self.by_resource.get(resource, {}).get(record_id) if record_id else None


def contact(patient: Patient, parts: Iterable[Part], names: Names) -> Fact:
    """The contact that a patient makes together with alerts, cases and referral sources."""
    held = list(parts)
    content = {
        "patient_id": patient.id,
        "created_at": patient.created_at,
        "updated_at": patient.updated_at,
        "archived_at": patient.archived_at,
        "merged_at": patient.merged_at,
        "merged_into": patient.merged_into,
        "name": full_name(patient.first_name, patient.last_name),
        "first_name": patient.first_name,
        "last_name": patient.last_name,
        "email": patient.email,
        "phone": patient.phone,
        "accepts_sms_marketing": patient.accepts_sms_marketing,
        "accepts_email_marketing": patient.accepts_email_marketing,
        "reminder_type": patient.reminder_type,
        "health_conditions": health_conditions(held),
        "referral_source": patient.referral_source or referral_source(held, names),
    }
    return Fact(CONTACT, patient.id, patient.id, content)


def health_conditions(parts: Iterable[Part]) -> tuple[str, ...]:
    """Medical alerts, then cases, each kind in order of creation; those not gone, each once.

    At most so many, and each so long, that the event is one that Kafka takes.
    """
    conditions = [part for part in parts if isinstance(part, Condition) and part.gone_at is None]
    ordered: list[str] = []
    for kind in (MedicalAlert, PatientCase):
        of_kind = (condition for condition in conditions if isinstance(condition, kind))
        ordered.extend(each.name[:LONGEST_CONDITION] for each in sorted(of_kind, key=_by_creation) if each.name)
    return tuple(dict.fromkeys(ordered))[:MOST_CONDITIONS]


def _by_creation(condition: Condition) -> tuple[int, str]:
    return condition.created_at, condition.id


def referral_source(parts: Iterable[Part], names: Names) -> str | None:
    """The type of the newest referral source that is not gone.

    Only for patients whose own `referral_source` is unset: that text is what the clinic wrote.
    """
    sources = [part for part in parts if isinstance(part, ReferralSource) and part.gone_at is None]
    if not sources:
        return None
    newest = max(sources, key=lambda source: (source.updated_at, source.id))
    return names.name("referral_source_types", newest.type)


def individual(appointment: IndividualAppointment, names: Names) -> Fact | NoFact:
    """The appointment of one patient."""
    if appointment.patient is None:
        return NoFact.UNTOLD
    content = {
        "patient_id": appointment.patient,
        "appointment_id": appointment.id,
        "booking_id": appointment.id,
        "kind": "individual",
        "created_at": appointment.created_at,
        "starts_at": appointment.starts_at,
        "ends_at": appointment.ends_at,
        "cancelled_at": appointment.cancelled_at,
        "gone_at": appointment.gone_at,
        "did_not_arrive": appointment.did_not_arrive,
        "arrived": appointment.arrived,
        **_called(appointment, names),
    }
    return Fact(APPOINTMENT, appointment.id, appointment.patient, content)


def place(attendee: Attendee, group: GroupAppointment | None, names: Names) -> Fact | NoFact:
    """One attendee's place in a class; `group` None: the booking is no class that we know.

    Created and cancelled when the attendee is, starts when the class does, gone when either is.
    """
    if attendee.patient is None or attendee.booking is None:
        return NoFact.UNTOLD
    if group is None:
        return NoFact.UNTOLD
    ends = [end for end in (attendee.gone_at, group.gone_at) if end is not None]
    appointment_id = f"{group.id}/{attendee.id}"
    content = {
        "patient_id": attendee.patient,
        "appointment_id": appointment_id,
        "booking_id": group.id,
        "kind": "group",
        "created_at": attendee.created_at,
        "starts_at": group.starts_at,
        "ends_at": group.ends_at,
        "cancelled_at": attendee.cancelled_at,
        "gone_at": min(ends, default=None),
        "did_not_arrive": attendee.arrived is False,
        "arrived": attendee.arrived is True,
        **_called(group, names),
    }
    return Fact(APPOINTMENT, appointment_id, attendee.patient, content)


def _called(booking: IndividualAppointment | GroupAppointment, names: Names) -> dict[str, Any]:
    return {
        "appointment_type": names.name("appointment_types", booking.type),
        "practitioner": names.name("practitioners", booking.practitioner),
        "business": names.name("businesses", booking.business),
    }


def communication(record: Communication) -> Fact | NoFact:
    """A communication received from a patient; archiving one changes nothing."""
    if not record.received:
        return NoFact.WITHDRAWN
    if record.patient is None:
        return NoFact.UNTOLD
    content = {
        "patient_id": record.patient,
        "communication_id": record.id,
        "received_at": record.created_at,
        "channel": record.channel,
    }
    return Fact(COMMUNICATION, record.id, record.patient, content)


def recall(record: Recall) -> Fact | NoFact:
    """A recall that has a patient and a day."""
    if record.patient is None or record.due_on is None:
        return NoFact.UNTOLD
    content = {
        "patient_id": record.patient,
        "recall_id": record.id,
        "created_at": record.created_at,
        "gone_at": record.gone_at,
        "due_on": record.due_on,
    }
    return Fact(RECALL, record.id, record.patient, content)
