"""What a record of Cliniko says, whatever shape it comes in: `""`, null and absent are alike."""

from collections.abc import Callable, Mapping
from typing import Any

from ingestor.fields import (
    Raw,
    UntranslatableError,
    day,
    flag,
    full_name,
    gone_at,
    id_of_link,
    ident,
    instant,
    life,
    linked,
    needed_instant,
    number,
    own_id,
    text,
    updated_at,
)
from ingestor.records import (
    AppointmentType,
    Attendee,
    Business,
    Communication,
    GroupAppointment,
    IndividualAppointment,
    MedicalAlert,
    Patient,
    PatientCase,
    Practitioner,
    Recall,
    Record,
    ReferralSource,
    ReferralSourceType,
)

RECEIVED = 2
CHANNELS = {1: "sms", 2: "email", 3: "phone", 4: "other"}


def translate(resource: str, raw: Any) -> Record:
    """The record that Cliniko's JSON object of a resource describes.

    Raises UntranslatableError when there is no making sense of it.
    """
    if not isinstance(raw, Mapping):
        raise UntranslatableError("not an object")
    return _TRANSLATIONS[resource](raw)


def deleted_patient(raw: Any) -> tuple[str, int | None]:
    """Id and instant of deletion of an entry in Cliniko's list of deleted patients.

    The entry may consist of `deleted_at` and its own link alone.
    """
    if not isinstance(raw, Mapping):
        raise UntranslatableError("not an object")
    patient = ident(raw.get("id")) or id_of_link(raw)
    if patient is None:
        raise UntranslatableError("id")
    return patient, instant(raw, "deleted_at")


def _patient(raw: Raw) -> Patient:
    created_at, updated_at = life(raw)
    return Patient(
        id=own_id(raw),
        updated_at=updated_at,
        created_at=created_at,
        archived_at=gone_at(raw),
        merged_at=instant(raw, "merged_at"),
        merged_into=linked(raw, "merged_with_patient"),
        first_name=text(raw, "first_name"),
        last_name=text(raw, "last_name"),
        email=text(raw, "email"),
        phone=_phone(raw.get("patient_phone_numbers")),
        accepts_sms_marketing=flag(raw, "accepted_sms_marketing"),
        accepts_email_marketing=flag(raw, "accepted_email_marketing"),
        reminder_type=text(raw, "reminder_type"),
        referral_source=text(raw, "referral_source"),
    )


def _phone(numbers: Any) -> str | None:
    """The first Mobile number, else the first that is no Fax, as Cliniko writes it."""
    first_other = None
    for entry in numbers if isinstance(numbers, list) else ():
        if not isinstance(entry, Mapping):
            continue
        written, kind = number(entry.get("number")), entry.get("phone_type")
        if written is None or kind == "Fax":
            continue
        if kind == "Mobile":
            return written
        first_other = first_other or written
    return first_other


def _medical_alert(raw: Raw) -> MedicalAlert:
    created_at, updated_at = life(raw)
    return MedicalAlert(
        id=own_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=gone_at(raw),
        name=text(raw, "name"),
    )


def _patient_case(raw: Raw) -> PatientCase:
    created_at, updated_at = life(raw)
    return PatientCase(
        id=own_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=gone_at(raw),
        name=text(raw, "name"),
    )


def _referral_source(raw: Raw) -> ReferralSource:
    return ReferralSource(
        id=own_id(raw),
        updated_at=updated_at(raw),
        patient=linked(raw, "patient"),
        gone_at=gone_at(raw),
        type=linked(raw, "referral_source_type"),
    )


def _group_appointment(raw: Raw) -> GroupAppointment:
    return GroupAppointment(
        id=own_id(raw),
        updated_at=updated_at(raw),
        gone_at=gone_at(raw),
        starts_at=needed_instant(raw, "starts_at"),
        ends_at=instant(raw, "ends_at"),
        type=linked(raw, "appointment_type"),
        practitioner=linked(raw, "practitioner"),
        business=linked(raw, "business"),
    )


def _attendee(raw: Raw) -> Attendee:
    created_at, updated_at = life(raw)
    return Attendee(
        id=own_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        booking=linked(raw, "booking"),
        created_at=created_at,
        gone_at=gone_at(raw),
        cancelled_at=instant(raw, "cancelled_at"),
        arrived=flag(raw, "arrived"),
    )


def _individual_appointment(raw: Raw) -> IndividualAppointment:
    created_at, updated_at = life(raw)
    return IndividualAppointment(
        id=own_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=gone_at(raw),
        cancelled_at=instant(raw, "cancelled_at"),
        starts_at=needed_instant(raw, "starts_at"),
        ends_at=instant(raw, "ends_at"),
        did_not_arrive=raw.get("did_not_arrive") is True,
        arrived=raw.get("patient_arrived") is True,
        type=linked(raw, "appointment_type"),
        practitioner=linked(raw, "practitioner"),
        business=linked(raw, "business"),
    )


def _communication(raw: Raw) -> Communication:
    created_at, updated_at = life(raw)
    code, described = raw.get("direction_code"), raw.get("direction_description")
    return Communication(
        id=own_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        received=code == RECEIVED if isinstance(code, int) else described == "Received",
        channel=_channel(raw),
    )


def _channel(raw: Raw) -> str | None:
    code = raw.get("type_code")
    if isinstance(code, int) and code in CHANNELS:
        return CHANNELS[code]
    written = text(raw, "type")
    return "phone" if written == "Phone call" else written.lower() if written else None


def _recall(raw: Raw) -> Recall:
    created_at, updated_at = life(raw)
    return Recall(
        id=own_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=gone_at(raw),
        due_on=day(raw, "recall_at"),
    )


def _appointment_type(raw: Raw) -> AppointmentType:
    return AppointmentType(id=own_id(raw), updated_at=updated_at(raw), name=text(raw, "name"))


def _practitioner(raw: Raw) -> Practitioner:
    parts = (text(raw, "first_name"), text(raw, "last_name"))
    name = text(raw, "display_name") or full_name(*parts) or text(raw, "label")
    return Practitioner(id=own_id(raw), updated_at=updated_at(raw), name=name)


def _business(raw: Raw) -> Business:
    name = text(raw, "display_name") or text(raw, "label") or text(raw, "business_name")
    return Business(id=own_id(raw), updated_at=updated_at(raw), name=name)


def _referral_source_type(raw: Raw) -> ReferralSourceType:
    return ReferralSourceType(id=own_id(raw), updated_at=updated_at(raw), name=text(raw, "name"))


_TRANSLATIONS: dict[str, Callable[[Raw], Record]] = {
    "appointment_types": _appointment_type,
    "practitioners": _practitioner,
    "businesses": _business,
    "referral_source_types": _referral_source_type,
    "medical_alerts": _medical_alert,
    "patient_cases": _patient_case,
    "referral_sources": _referral_source,
    "patients": _patient,
    "group_appointments": _group_appointment,
    "attendees": _attendee,
    "individual_appointments": _individual_appointment,
    "communications": _communication,
    "recalls": _recall,
}
