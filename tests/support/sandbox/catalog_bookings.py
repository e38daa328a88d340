"""The kinds of records that make up the diary: appointments, classes and places in them."""

from support.sandbox.schema import BASE, Fields, Resource, types

_HIDDEN_WITH_ARCHIVED = {"archived_at": ("deleted_at",)}
_SITE = "https://sandbox-clinic.au1.cliniko.com"


def _show_repeats(body: Fields, fields: Fields) -> None:
    """A series links its repeats; a single booking shows null there."""
    if fields.get("repeat_rule"):
        kind = "group_appointments" if "max_attendees" in body else "individual_appointments"
        url = f"{BASE}/{kind}?q[]=repeated_from_id:={fields['id']}"
        body["repeats"] = {"links": {"self": url}}


def _show_appointment(body: Fields, fields: Fields) -> None:
    _show_repeats(body, fields)
    if body["telehealth_url"] is None:
        body["telehealth_url"] = f"{_SITE}/appointments/{fields['id']}/connect"


def _show_attendee(body: Fields, fields: Fields) -> None:
    if body["telehealth_url"] is None:
        body["telehealth_url"] = f"{_SITE}/c/EXAMPLE{fields['id']}"
        body["cancellation_url"] = f"{_SITE}/c/EXAMPLE{fields['id']}/cancel"


_CANCELLATION = {
    "cancelled_at": None,
    "cancellation_reason": None,
    "cancellation_reason_description": "",
    "cancellation_note": None,
}

BOOKED = (
    Resource(
        name="individual_appointments",
        shown={
            "id": None,
            "created_at": None,
            "updated_at": None,
            "starts_at": None,
            "ends_at": None,
            "patient_name": None,
            "notes": None,
            "has_patient_appointment_notes": False,
            "patient_arrived": False,
            "did_not_arrive": False,
            **_CANCELLATION,
            "booking_ip_address": None,
            "online_booking_policy_accepted": None,
            "email_reminder_sent": False,
            "sms_reminder_sent": False,
            "invoice_status": None,
            "treatment_note_status": None,
            "repeat_rule": {},
            "repeats": None,
            "telehealth_url": None,
            "archived_at": None,
            "deleted_at": None,
        },
        relations={
            "appointment_type": "/appointment_types/",
            "business": "/businesses/",
            "practitioner": "/practitioners/",
            "patient": "/patients/",
            "patient_case": "/patient_cases/",
            "repeated_from": "/individual_appointments/",
        },
        links={
            "attendees": "/individual_appointments/{id}/attendees",
            "conflicts": "/individual_appointments/{id}/conflicts",
        },
        filters=types(
            "int64: appointment_type_id business_id id patient_id practitioner_id repeated_from_id;"
            "date-time: archived_at cancelled_at created_at deleted_at ends_at starts_at"
            " updated_at; boolean: did_not_arrive"
        ),
        hidden_by=("archived_at", "cancelled_at"),
        lifted_also_by=_HIDDEN_WITH_ARCHIVED,
        writable=frozenset(
            [
                "appointment_type_id",
                "business_id",
                "ends_at",
                "notes",
                "patient_id",
                "patient_case_id",
                "practitioner_id",
                "starts_at",
                "repeat_rule",
            ]
        ),
        required=(
            "appointment_type_id",
            "business_id",
            "patient_id",
            "practitioner_id",
            "starts_at",
        ),
        adjust=_show_appointment,
    ),
    Resource(
        name="group_appointments",
        shown={
            "id": None,
            "created_at": None,
            "updated_at": None,
            "starts_at": None,
            "ends_at": None,
            "max_attendees": 8,
            "patient_ids": [],
            "notes": None,
            "repeat_rule": {},
            "repeats": None,
            "telehealth_url": None,
            "archived_at": None,
            "deleted_at": None,
        },
        relations={
            "appointment_type": "/appointment_types/",
            "business": "/businesses/",
            "practitioner": "/practitioners/",
            "repeated_from": "/group_appointments/",
        },
        links={
            "attendees": "/group_appointments/{id}/attendees",
            "conflicts": "/group_appointments/{id}/conflicts",
        },
        filters=types(
            "int64: appointment_type_id business_id id practitioner_id repeated_from_id;"
            "date-time: archived_at created_at deleted_at ends_at starts_at updated_at;"
            "array: patient_ids"
        ),
        lifted_also_by=_HIDDEN_WITH_ARCHIVED,
        writable=frozenset(
            [
                "appointment_type_id",
                "business_id",
                "ends_at",
                "max_attendees",
                "notes",
                "practitioner_id",
                "starts_at",
                "repeat_rule",
            ]
        ),
        required=("appointment_type_id", "business_id", "practitioner_id", "starts_at"),
        adjust=_show_repeats,
    ),
    Resource(
        name="attendees",
        shown={
            "id": None,
            "created_at": None,
            "updated_at": None,
            "arrived": None,
            **_CANCELLATION,
            "cancellation_url": None,
            "booking_ip_address": None,
            "online_booking_policy_accepted": None,
            "notes": None,
            "email_reminder_sent": False,
            "sms_reminder_sent": False,
            "sent_email_reminders_count": 0,
            "sent_sms_reminders_count": 0,
            "sent_email_follow_ups_count": 0,
            "sent_sms_follow_ups_count": 0,
            "invoice_status": None,
            "treatment_note_status": None,
            "telehealth_url": None,
            "archived_at": None,
            "deleted_at": None,
        },
        relations={
            "booking": "/bookings/",
            "patient": "/patients/",
            "patient_case": "/patient_cases/",
        },
        links={
            "invoices": "/attendees/{id}/invoices",
            "patient_forms": "/attendees/{id}/patient_forms",
        },
        filters=types(
            "int64: appointment_id booking_id id patient_case_id patient_id;"
            "date-time: archived_at cancelled_at created_at deleted_at updated_at"
        ),
        hidden_by=("archived_at", "cancelled_at"),
        lifted_also_by=_HIDDEN_WITH_ARCHIVED,
        writable=frozenset({"booking_id", "arrived", "notes", "patient_id", "patient_case_id"}),
        required=("booking_id", "patient_id"),
        looked_up_by="booking_id",
        adjust=_show_attendee,
    ),
)
