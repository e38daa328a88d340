"""What a record of Cliniko says, whatever shape it comes in: `""`, null and absent are alike."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

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
from rules.instants import parse_instant
from shared.events import MAX_TEXT

Raw = Mapping[str, Any]

LONGEST_ID = 90
"""Characters; Cliniko's ids have about 19. Two of them name a place in a class."""

RECEIVED = 2
CHANNELS = {1: "sms", 2: "email", 3: "phone", 4: "other"}


class UntranslatableError(ValueError):
    """The record lacks what makes it one, or says nonsense; names the field, never the value."""


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
    patient = ident(raw.get("id")) or _id_of_link(raw)
    if patient is None:
        raise UntranslatableError("id")
    return patient, _instant(raw, "deleted_at")


def ident(value: Any) -> str | None:
    """An id as text, also when it came as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID:
        return value
    return None


def linked(raw: Raw, relation: str) -> str | None:
    """The id that a relation links to; None when there is none, in whichever way."""
    return _id_of_link(raw.get(relation))


def _id_of_link(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    links = value.get("links")
    url = links.get("self") if isinstance(links, Mapping) else None
    if not isinstance(url, str):
        return None
    return ident(url.partition("?")[0].rstrip("/").rpartition("/")[2])


def _id(raw: Raw) -> str:
    found = ident(raw.get("id"))
    if found is None:
        raise UntranslatableError("id")
    return found


def _text(raw: Raw, name: str) -> str | None:
    value = raw.get(name)
    if not isinstance(value, str) or not value.strip():
        return None
    return value[:MAX_TEXT]


def _flag(raw: Raw, name: str) -> bool | None:
    value = raw.get(name)
    return value if isinstance(value, bool) else None


def _instant(raw: Raw, name: str) -> int | None:
    value = raw.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise UntranslatableError(name)
    try:
        return parse_instant(value)
    except ValueError:
        raise UntranslatableError(name) from None


def _needed(raw: Raw, name: str) -> int:
    found = _instant(raw, name)
    if found is None:
        raise UntranslatableError(name)
    return found


def _earlier(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


def _gone_at(raw: Raw) -> int | None:
    return _earlier(_instant(raw, "archived_at"), _instant(raw, "deleted_at"))


def _life(raw: Raw) -> tuple[int, int]:
    """created_at and updated_at; one stands in for the other, where only that is known."""
    created, updated = _instant(raw, "created_at"), _instant(raw, "updated_at")
    if created is None and updated is None:
        raise UntranslatableError("created_at")
    return (
        created if created is not None else updated or 0,
        updated if updated is not None else created or 0,
    )


def _updated_at(raw: Raw) -> int:
    return _life(raw)[1] if raw.get("updated_at") or raw.get("created_at") else 0


def _patient(raw: Raw) -> Patient:
    created_at, updated_at = _life(raw)
    return Patient(
        id=_id(raw),
        updated_at=updated_at,
        created_at=created_at,
        archived_at=_gone_at(raw),
        merged_at=_instant(raw, "merged_at"),
        merged_into=linked(raw, "merged_with_patient"),
        first_name=_text(raw, "first_name"),
        last_name=_text(raw, "last_name"),
        email=_text(raw, "email"),
        phone=_phone(raw.get("patient_phone_numbers")),
        accepts_sms_marketing=_flag(raw, "accepted_sms_marketing"),
        accepts_email_marketing=_flag(raw, "accepted_email_marketing"),
        reminder_type=_text(raw, "reminder_type"),
        referral_source=_text(raw, "referral_source"),
    )


def _phone(numbers: Any) -> str | None:
    """The first Mobile number, else the first that is no Fax, as Cliniko writes it."""
    first_other = None
    for entry in numbers if isinstance(numbers, list) else ():
        if not isinstance(entry, Mapping):
            continue
        number, kind = _number(entry.get("number")), entry.get("phone_type")
        if number is None or kind == "Fax":
            continue
        if kind == "Mobile":
            return number
        first_other = first_other or number
    return first_other


def _number(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value[:MAX_TEXT] if isinstance(value, str) and value.strip() else None


def _medical_alert(raw: Raw) -> MedicalAlert:
    created_at, updated_at = _life(raw)
    return MedicalAlert(
        id=_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=_gone_at(raw),
        name=_text(raw, "name"),
    )


def _patient_case(raw: Raw) -> PatientCase:
    created_at, updated_at = _life(raw)
    return PatientCase(
        id=_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=_gone_at(raw),
        name=_text(raw, "name"),
    )


def _referral_source(raw: Raw) -> ReferralSource:
    return ReferralSource(
        id=_id(raw),
        updated_at=_updated_at(raw),
        patient=linked(raw, "patient"),
        gone_at=_gone_at(raw),
        type=linked(raw, "referral_source_type"),
    )


def _group_appointment(raw: Raw) -> GroupAppointment:
    return GroupAppointment(
        id=_id(raw),
        updated_at=_updated_at(raw),
        gone_at=_gone_at(raw),
        starts_at=_needed(raw, "starts_at"),
        ends_at=_instant(raw, "ends_at"),
        type=linked(raw, "appointment_type"),
        practitioner=linked(raw, "practitioner"),
        business=linked(raw, "business"),
    )


def _attendee(raw: Raw) -> Attendee:
    created_at, updated_at = _life(raw)
    return Attendee(
        id=_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        booking=linked(raw, "booking"),
        created_at=created_at,
        gone_at=_gone_at(raw),
        cancelled_at=_instant(raw, "cancelled_at"),
        arrived=_flag(raw, "arrived"),
    )


def _individual_appointment(raw: Raw) -> IndividualAppointment:
    created_at, updated_at = _life(raw)
    return IndividualAppointment(
        id=_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=_gone_at(raw),
        cancelled_at=_instant(raw, "cancelled_at"),
        starts_at=_needed(raw, "starts_at"),
        ends_at=_instant(raw, "ends_at"),
        did_not_arrive=raw.get("did_not_arrive") is True,
        arrived=raw.get("patient_arrived") is True,
        type=linked(raw, "appointment_type"),
        practitioner=linked(raw, "practitioner"),
        business=linked(raw, "business"),
    )


def _communication(raw: Raw) -> Communication:
    created_at, updated_at = _life(raw)
    code, described = raw.get("direction_code"), raw.get("direction_description")
    return Communication(
        id=_id(raw),
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
    written = _text(raw, "type")
    return "phone" if written == "Phone call" else written.lower() if written else None


def _recall(raw: Raw) -> Recall:
    created_at, updated_at = _life(raw)
    return Recall(
        id=_id(raw),
        updated_at=updated_at,
        patient=linked(raw, "patient"),
        created_at=created_at,
        gone_at=_gone_at(raw),
        due_on=_day(raw, "recall_at"),
    )


def _day(raw: Raw, name: str) -> str | None:
    written = _text(raw, name)
    if written is None:
        return None
    try:
        return date.fromisoformat(written[:10]).isoformat()
    except ValueError:
        raise UntranslatableError(name) from None


def _appointment_type(raw: Raw) -> AppointmentType:
    return AppointmentType(id=_id(raw), updated_at=_updated_at(raw), name=_text(raw, "name"))


def _practitioner(raw: Raw) -> Practitioner:
    parts = (_text(raw, "first_name"), _text(raw, "last_name"))
    name = _text(raw, "display_name") or full_name(*parts) or _text(raw, "label")
    return Practitioner(id=_id(raw), updated_at=_updated_at(raw), name=name)


def _business(raw: Raw) -> Business:
    name = _text(raw, "display_name") or _text(raw, "label") or _text(raw, "business_name")
    return Business(id=_id(raw), updated_at=_updated_at(raw), name=name)


def _referral_source_type(raw: Raw) -> ReferralSourceType:
    return ReferralSourceType(id=_id(raw), updated_at=_updated_at(raw), name=_text(raw, "name"))


def full_name(first: str | None, last: str | None) -> str:
    """First and last name joined by a space, "" when there is neither."""
    return " ".join(part.strip() for part in (first, last) if part)


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
