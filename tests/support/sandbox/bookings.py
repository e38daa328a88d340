"""The union of appointments and classes at /bookings, where attendees' links lead."""

from typing import Any

from support.sandbox.clinic import Clinic
from support.sandbox.filters import predicates, read_query
from support.sandbox.lists import arrange, envelope, page_slice, read_parameters
from support.sandbox.refusals import not_found
from support.sandbox.rendering import RENDERERS
from support.sandbox.schema import BASE, Fields, Resource, types

KINDS = ("individual_appointments", "group_appointments")
_BOOKINGS = Resource(
    name="bookings",
    shown=dict.fromkeys(("created_at", "updated_at", "starts_at", "ends_at", "deleted_at")),
    filters=types(
        "int64: appointment_type_id business_id id practitioner_id repeated_from_id;"
        "date-time: archived_at cancelled_at created_at deleted_at ends_at starts_at updated_at;"
        "boolean: did_not_arrive email_reminder_sent sms_reminder_sent; array: patient_ids;"
        "integer: invoice_status treatment_note_status"
    ),
    hidden_by=("archived_at", "cancelled_at"),
    lifted_also_by={"archived_at": ("deleted_at",)},
)


def listed(clinic: Clinic, query_string: str, path: str) -> Any:
    """Return a page of all bookings. Looks at every one each time. Raises Refused (400)."""
    asked = read_parameters(query_string, _BOOKINGS)
    query = read_query(_BOOKINGS, asked.conditions, known_ids=clinic, hiding_deleted=clinic.options.deleted_are_hidden)
    tests = predicates(_BOOKINGS, query)
    rows = [
        fields
        for kind in KINDS
        for fields in clinic.records[kind].values()
        if all(test(_with_patients(fields)) for test in tests)
    ]
    rows.sort(key=lambda fields: (fields["created_at"], fields["id"]))
    arrange(rows, asked.order)
    bodies = [_body(clinic, fields["id"]) for fields in rows[page_slice(asked)]]
    return envelope("bookings", bodies, len(rows), asked, path)


def single(clinic: Clinic, booking_id: str, query_string: str) -> Any:
    """Return one booking unless it is hidden. Raises Refused (400, 404)."""
    asked = read_parameters(query_string, _BOOKINGS)
    tests = predicates(
        _BOOKINGS, read_query(_BOOKINGS, asked.conditions, hiding_deleted=clinic.options.deleted_are_hidden)
    )
    for kind in KINDS:
        fields = clinic.records[kind].get(booking_id)
        if fields is not None and all(test(fields) for test in tests):
            return _body(clinic, booking_id)
    raise not_found()


def _with_patients(fields: Fields) -> Fields:
    return {"patient_ids": [fields.get("patient_id")], **fields}


def _body(clinic: Clinic, booking_id: str) -> Fields:
    kind = next(each for each in KINDS if booking_id in clinic.records[each])
    body = RENDERERS[kind].body(clinic.records[kind][booking_id])
    return body | {"links": {"self": f"{BASE}/bookings/{booking_id}"}}
