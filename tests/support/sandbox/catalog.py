"""The kinds of records that the sandbox serves: names, types and filters as Cliniko documents them.

Source: the official OpenAPI document of August 2025, but for recalls, which it lacks.
"""

from support.sandbox.catalog_bookings import BOOKED
from support.sandbox.catalog_people import PEOPLE
from support.sandbox.schema import Fields, Resource, types

_AUDIT = {"id": None, "created_at": None, "updated_at": None}

_PRACTICE = (
    Resource(
        name="appointment_types",
        shown={
            **_AUDIT,
            "name": "",
            "category": None,
            "description": None,
            "color": "#3366FF",
            "duration_in_minutes": 30,
            "max_attendees": 1,
            "show_in_online_bookings": True,
            "online_bookings_lead_time_hours": None,
            "online_payments_enabled": False,
            "online_payments_mode": None,
            "deposit_price": None,
            "add_deposit_to_account_credit": None,
            "telehealth_enabled": False,
            "appointment_confirmation_template_ids": [],
            "appointment_reminder_template_ids": [],
            "appointment_follow_up_template_ids": [],
            "archived_at": None,
        },
        links={
            "appointment_type_billable_items": (
                "/appointment_type_billable_items?q%5B%5D=appointment_type_id%3A%3D{id}"
            ),
            "appointment_type_products": ("/appointment_type_products?q%5B%5D=appointment_type_id%3A%3D{id}"),
            "practitioners": "/appointment_types/{id}/practitioners",
        },
        filters=types(
            "date-time: archived_at created_at updated_at; int64: id;"
            "string: category online_payments_mode; boolean: show_in_online_bookings;"
            "array: appointment_confirmation_template_ids appointment_follow_up_template_ids"
            " appointment_reminder_template_ids"
        ),
    ),
    Resource(
        name="practitioners",
        shown={
            **_AUDIT,
            "active": True,
            "title": None,
            "first_name": "",
            "last_name": "",
            "display_name": None,
            "label": None,
            "designation": None,
            "description": None,
            "show_in_online_bookings": True,
        },
        relations={"default_appointment_type": "/appointment_types/", "user": "/users/"},
        links={
            "appointment_types": "/practitioners/{id}/appointment_types",
            "appointments": "/practitioners/{id}/appointments",
            "invoices": "/practitioners/{id}/invoices",
            "practitioner_reference_numbers": "/practitioners/{id}/practitioner_reference_numbers",
        },
        filters=types("boolean: active show_in_online_bookings; date-time: created_at updated_at;int64: id user_id"),
        hidden_by=(),
    ),
    Resource(
        name="businesses",
        shown={
            **_AUDIT,
            "business_name": "",
            "display_name": None,
            "label": None,
            "address_1": None,
            "address_2": None,
            "city": None,
            "state": None,
            "post_code": None,
            "country": "Australia",
            "country_code": "AU",
            "time_zone": None,
            "time_zone_identifier": None,
            "contact_information": None,
            "additional_information": None,
            "additional_invoice_information": None,
            "business_registration_name": None,
            "business_registration_value": None,
            "email_reply_to": None,
            "website_address": None,
            "show_in_online_bookings": True,
            "appointment_reminders_enabled": True,
            "appointment_type_ids": [],
            "archived_at": None,
            "deleted_at": None,
        },
        links={
            "appointments": "/businesses/{id}/appointments",
            "practitioners": "/businesses/{id}/practitioners",
        },
        filters=types(
            "array: appointment_type_ids; date-time: archived_at created_at deleted_at updated_at;"
            "int64: id; boolean: show_in_online_bookings"
        ),
    ),
    Resource(
        name="recall_types",
        shown={**_AUDIT, "name": "", "archived_at": None},
        filters=types("date-time: archived_at created_at updated_at; int64: id"),
    ),
    Resource(
        name="referral_source_types",
        shown={
            **_AUDIT,
            "archived_at": None,
            "name": "",
            "referrer_type": None,
            "referrers": None,
            "subcategories": [],
        },
        filters=types("date-time: archived_at created_at updated_at; int64: id"),
    ),
)


def _leave_only_the_stone(body: Fields, fields: Fields) -> None:
    del body["id"], body["created_at"]


TOMBSTONES = Resource(
    name="patients",
    shown={"deleted_at": None},
    self_path="/patients/{id}",
    filters=types("date-time: deleted_at; int64: id"),
    hidden_by=(),
    adjust=_leave_only_the_stone,
)
"""What is left of a hard-deleted patient, at /patients/deleted."""

RESOURCES: dict[str, Resource] = {resource.name: resource for resource in (*PEOPLE, *BOOKED, *_PRACTICE)}
"""Every kind of record by the last part of its path."""
