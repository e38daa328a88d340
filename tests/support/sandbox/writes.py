"""What a client may write: Cliniko's rules for creating and changing records."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from support.sandbox.catalog import RESOURCES
from support.sandbox.clinic import REASONS, Clinic
from support.sandbox.clock import instant_of, stamp
from support.sandbox.refusals import invalid, not_found
from support.sandbox.schema import Fields

CREATABLE = (
    "patients",
    "individual_appointments",
    "group_appointments",
    "attendees",
    "communications",
    "recalls",
    "medical_alerts",
    "patient_cases",
)
CANCELLABLE = ("individual_appointments", "attendees")
REASONS_WRITTEN = tuple(code for code in REASONS if code != 31)
_MEMO = 12
_TYPES = {1: "SMS", 2: "Email", 3: "Phone call", 4: "Other"}
_DIRECTIONS = {1: "Sent", 2: "Received"}
_DATES = ("date_of_birth", "issue_date", "expiry_date", "recall_at")


def create(clinic: Clinic, kind: str, written: Mapping[str, Any]) -> str:
    """Create a record as a client asks and return its id. Raises Refused (404, 422)."""
    if kind not in CREATABLE:
        raise not_found()
    resource = RESOURCES[kind]
    fields = _writable(clinic, kind, written)
    missing = [name for name in resource.required if fields.get(name) in (None, "")]
    if missing:
        raise invalid(**dict.fromkeys(missing, "can't be blank"))
    if kind == "communications" and written.get("category_code", _MEMO) != _MEMO:
        raise invalid(category_code="is not included in the list")
    if kind in ("individual_appointments", "group_appointments"):
        _set_end(clinic, fields)
    return clinic.create(kind, fields)


def update(clinic: Clinic, kind: str, record_id: str, written: Mapping[str, Any]) -> None:
    """Change a record as a client asks; what is not writable is ignored. Raises Refused."""
    record = clinic.find(kind, record_id)
    if kind == "communications" and record.get("category_code") != _MEMO:
        raise invalid(base="Only memos can be changed")
    fields = _writable(clinic, kind, written)
    if kind == "attendees":
        fields.pop("booking_id", None)
        fields.pop("patient_id", None)
    clinic.update(kind, record_id, fields)


def cancel(clinic: Clinic, kind: str, record_id: str, written: Mapping[str, Any]) -> None:
    """Cancel for good, with a reason, an appointment or a place in a class. Raises Refused."""
    if kind not in CANCELLABLE:
        raise not_found()
    record = clinic.find(kind, record_id)
    booking = record.get("booking_id")
    if kind == "attendees" and booking in clinic.records["individual_appointments"]:
        raise invalid(base="Individual appointments are cancelled themselves")
    if record.get("cancelled_at") is not None:
        raise invalid(base="has already been cancelled")
    reason = written.get("cancellation_reason")
    if reason not in REASONS_WRITTEN:
        blank = "can't be blank" if reason is None else "is not included in the list"
        raise invalid(cancellation_reason=blank)
    cancelled = [record_id]
    if kind == "individual_appointments" and written.get("apply_to_repeats"):
        cancelled += _later_repeats(clinic, record)
    for each in cancelled:
        clinic.cancel(kind, each, reason=reason, note=written.get("cancellation_note"))


def _later_repeats(clinic: Clinic, record: Fields) -> list[str]:
    appointments = clinic.records["individual_appointments"]
    origin = record.get("repeated_from_id") or record["id"]
    return [
        each
        for each in appointments
        if appointments[each].get("repeated_from_id") == origin
        and appointments[each]["starts_at"] > record["starts_at"]
        and appointments[each].get("cancelled_at") is None
    ]


def _writable(clinic: Clinic, kind: str, written: Mapping[str, Any]) -> Fields:
    """Return what is writable of a body, as it is kept. Raises Refused (422)."""
    writable = RESOURCES[kind].writable
    fields = {name: value for name, value in written.items() if name in writable}
    errors: dict[str, str] = {}
    for name, value in fields.items():
        try:
            if name in ("starts_at", "ends_at") and value is not None:
                fields[name] = stamp(instant_of(value))
            elif name in _DATES and value is not None:
                date.fromisoformat(value)
        except (ValueError, TypeError):
            errors[name] = "is invalid"
        if name.endswith("_id") and value is not None and not _exists(clinic, kind, name, value):
            errors[name] = "must exist"
    if fields.get("arrived") not in (True, False, None):
        errors["arrived"] = "is not included in the list"
    if errors:
        raise invalid(**errors)
    if kind == "patients":
        _write_patient(fields)
    elif kind == "communications":
        _write_memo(fields)
    elif kind == "patient_cases" and "closed" in fields:
        fields["closed_at"] = clinic.now() if fields["closed"] else None
    return fields


def _exists(clinic: Clinic, kind: str, name: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if name == "booking_id":
        return value in clinic.records["group_appointments"]
    path = RESOURCES[kind].relations.get(name.removesuffix("_id"), "")
    target = clinic.records.get(path.strip("/"))
    return target is None or (value in target and target[value].get("archived_at") is None)


def _write_patient(fields: Fields) -> None:
    if "unsubscribe_sms_marketing" in fields:
        fields["accepted_sms_marketing"] = not fields.pop("unsubscribe_sms_marketing")
    if "patient_phone_numbers" in fields:
        numbers = fields["patient_phone_numbers"] or []
        if not isinstance(numbers, list) or not all(isinstance(each, dict) for each in numbers):
            raise invalid(patient_phone_numbers="is invalid")
        fields["patient_phone_numbers"] = [
            {
                "number": str(each.get("number", "")),
                "normalized_number": normalized(str(each.get("number", ""))),
                "phone_type": each.get("phone_type", "Mobile"),
            }
            for each in numbers
        ]


def normalized(number: str) -> str:
    """Return a phone number's digits with Australia's code for a leading zero."""
    digits = re.sub(r"\D", "", number)
    return f"61{digits[1:]}" if digits.startswith("0") else digits


def _write_memo(fields: Fields) -> None:
    fields |= {"category": "Memo", "category_code": _MEMO}
    fields.setdefault("confidential", False)
    if "type_code" in fields:
        fields["type"] = _TYPES.get(fields["type_code"])
    if "direction_code" in fields:
        fields["direction_description"] = _DIRECTIONS.get(fields["direction_code"])


def _set_end(clinic: Clinic, fields: Fields) -> None:
    if fields.get("ends_at") is None:
        kind = clinic.records["appointment_types"].get(fields["appointment_type_id"], {})
        minutes = kind.get("duration_in_minutes", 30)
        fields["ends_at"] = stamp(instant_of(fields["starts_at"]) + timedelta(minutes=minutes))
