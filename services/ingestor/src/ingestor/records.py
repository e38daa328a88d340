"""What is kept of Cliniko's records: the fields that facts are made of, and no others.

Instants are microseconds since the epoch (`rules.instants`), ids are text.
`gone_at` is the earlier of archived and deleted. Two equal records make equal facts.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Record:
    """What all of them have; `resource` is Cliniko's name for the kind."""

    resource: ClassVar[str]

    id: str
    updated_at: int


@dataclass(frozen=True, slots=True)
class Named(Record):
    """An appointment type, practitioner, business or type of referral source."""

    name: str | None


@dataclass(frozen=True, slots=True)
class AppointmentType(Named):
    """Names an appointment's type."""

    resource: ClassVar[str] = "appointment_types"


@dataclass(frozen=True, slots=True)
class Practitioner(Named):
    """Names an appointment's practitioner."""

    resource: ClassVar[str] = "practitioners"


@dataclass(frozen=True, slots=True)
class Business(Named):
    """Names where an appointment takes place."""

    resource: ClassVar[str] = "businesses"


@dataclass(frozen=True, slots=True)
class ReferralSourceType(Named):
    """Names where a patient came from."""

    resource: ClassVar[str] = "referral_source_types"


@dataclass(frozen=True, slots=True)
class OfPatient(Record):
    """A record that names a patient; None: it names none."""

    patient: str | None


@dataclass(frozen=True, slots=True)
class Condition(OfPatient):
    """A medical alert or a case: part of its patient's contact."""

    created_at: int
    gone_at: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class MedicalAlert(Condition):
    """Something to know about a patient's health."""

    resource: ClassVar[str] = "medical_alerts"


@dataclass(frozen=True, slots=True)
class PatientCase(Condition):
    """What a patient is treated for."""

    resource: ClassVar[str] = "patient_cases"


@dataclass(frozen=True, slots=True)
class ReferralSource(OfPatient):
    """How one patient came to the clinic, by type: part of the contact."""

    resource: ClassVar[str] = "referral_sources"

    gone_at: int | None
    type: str | None


Part = MedicalAlert | PatientCase | ReferralSource


@dataclass(frozen=True, slots=True)
class Patient(Record):
    """The contact's own record."""

    resource: ClassVar[str] = "patients"

    created_at: int
    archived_at: int | None
    merged_at: int | None
    merged_into: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    accepts_sms_marketing: bool | None
    accepts_email_marketing: bool | None
    reminder_type: str | None
    referral_source: str | None


@dataclass(frozen=True, slots=True)
class GroupAppointment(Record):
    """A class: part of each of its places."""

    resource: ClassVar[str] = "group_appointments"

    gone_at: int | None
    starts_at: int
    ends_at: int | None
    type: str | None
    practitioner: str | None
    business: str | None


@dataclass(frozen=True, slots=True)
class Attendee(OfPatient):
    """A place in a class; or the shadow of an individual appointment, of which it makes no fact."""

    resource: ClassVar[str] = "attendees"

    booking: str | None
    created_at: int
    gone_at: int | None
    cancelled_at: int | None
    arrived: bool | None


@dataclass(frozen=True, slots=True)
class IndividualAppointment(OfPatient):
    """An appointment of one patient."""

    resource: ClassVar[str] = "individual_appointments"

    created_at: int
    gone_at: int | None
    cancelled_at: int | None
    starts_at: int
    ends_at: int | None
    did_not_arrive: bool
    arrived: bool
    type: str | None
    practitioner: str | None
    business: str | None


@dataclass(frozen=True, slots=True)
class Communication(OfPatient):
    """A message or memo; `received`: from the patient."""

    resource: ClassVar[str] = "communications"

    created_at: int
    received: bool
    channel: str | None


@dataclass(frozen=True, slots=True)
class Recall(OfPatient):
    """A day on which a patient is to be asked to come again."""

    resource: ClassVar[str] = "recalls"

    created_at: int
    gone_at: int | None
    due_on: str | None


KINDS: tuple[type[Record], ...] = (
    AppointmentType,
    Practitioner,
    Business,
    ReferralSourceType,
    MedicalAlert,
    PatientCase,
    ReferralSource,
    Patient,
    GroupAppointment,
    Attendee,
    IndividualAppointment,
    Communication,
    Recall,
)
BY_RESOURCE: dict[str, type[Record]] = {kind.resource: kind for kind in KINDS}

_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in KINDS}


def as_fields(record: Record) -> dict[str, Any]:
    """The record's fields by name, as they are stored."""
    return {name: getattr(record, name) for name in _FIELDS[type(record)]}


def from_fields(resource: str, stored: dict[str, Any]) -> Record:
    """The record of stored fields; what an older version of this program did not store is None."""
    kind: Any = BY_RESOURCE[resource]
    record: Record = kind(**{name: stored.get(name) for name in _FIELDS[kind]})
    return record
