"""The kinds of records about a patient: the person, and what is kept on file about them."""

from support.sandbox.schema import BASE, Fields, Resource, types

_AUDIT = {"id": None, "created_at": None, "updated_at": None}

_TEXTS_WRITTEN = (
    "address_1 address_2 address_3 appointment_notes city country country_code date_of_birth"
    " dva_card_number email emergency_contact first_name gender_identity invoice_default_to"
    " invoice_email invoice_extra_information last_name medicare_reference_number medicare notes"
    " occupation old_reference_id post_code preferred_first_name pronouns"
    " referral_source reminder_type sex state time_zone title"
)


def _show_referrer(body: Fields, fields: Fields) -> None:
    """A referrer is a patient or a contact; its own URL is under the patient."""
    referrer = body.pop("referrer_id", None)
    if referrer is not None:
        kind = "patients" if fields.get("referrer_type") == "Patient" else "contacts"
        body["referrer"] = {"links": {"self": f"{BASE}/{kind}/{referrer}"}}
    body["links"] = {"self": f"{BASE}/patients/{fields.get('patient_id')}/referral_source"}


PEOPLE = (
    Resource(
        name="patients",
        shown={
            **_AUDIT,
            "title": None,
            "first_name": "",
            "last_name": "",
            "preferred_first_name": None,
            "label": None,
            "pronouns": None,
            "date_of_birth": None,
            "sex": None,
            "gender": None,
            "gender_identity": None,
            "occupation": "",
            "email": "",
            "patient_phone_numbers": [],
            "address_1": "",
            "address_2": "",
            "address_3": "",
            "city": "",
            "state": "",
            "post_code": "",
            "country": "Australia",
            "country_code": "AU",
            "time_zone": None,
            "emergency_contact": "",
            "notes": "",
            "appointment_notes": "",
            "medicare": "",
            "medicare_reference_number": "",
            "dva_card_number": None,
            "old_reference_id": "",
            "reminder_type": "SMS & Email",
            "receives_confirmation_emails": True,
            "receives_cancellation_emails": True,
            "accepted_privacy_policy": None,
            "accepted_email_marketing": None,
            "accepted_sms_marketing": None,
            "referral_source": "",
            "invoice_default_to": "",
            "invoice_email": None,
            "invoice_extra_information": "",
            "custom_fields": None,
            "archived_at": None,
            "deleted_at": None,
            "merged_at": None,
        },
        relations={
            "merged_with_patient": "/patients/",
            "latest_booking": "/bookings/",
            "referring_doctor": "/contacts/",
            "concession_type": "/concession_types/",
        },
        links={
            "appointments": "/patients/{id}/appointments",
            "attendees": "/attendees?q%5B%5D=patient_id%3A%3D{id}",
            "invoices": "/patients/{id}/invoices",
            "medical_alerts": "/patients/{id}/medical_alerts",
            "patient_attachments": "/patients/{id}/patient_attachments",
            "relationships": "/relationships?q%5B%5D=patient_id%3A%3D{id}",
        },
        filters=types(
            "boolean: accepted_privacy_policy; date: date_of_birth; int64: id;"
            "date-time: archived_at created_at updated_at;"
            "string: email first_name last_name old_reference_id preferred_first_name"
        ),
        writable=frozenset(
            f"{_TEXTS_WRITTEN} accepted_email_marketing accepted_privacy_policy"
            " concession_type_id custom_fields receives_cancellation_emails"
            " receives_confirmation_emails referring_doctor_id unsubscribe_sms_marketing"
            " patient_phone_numbers".split()
        ),
        required=("first_name", "last_name"),
    ),
    Resource(
        name="communications",
        shown={
            **_AUDIT,
            "archived_at": None,
            "type": None,
            "type_code": None,
            "direction_code": None,
            "direction_description": None,
            "category": None,
            "category_code": None,
            "content": None,
            "from": None,
            "to": None,
        },
        relations={
            "patient": "/patients/",
            "attendee": "/attendees/",
            "booking": "/bookings/",
            "letter": "/letters/",
            "invoice": "/invoices/",
            "payment": "/payments/",
        },
        filters=types(
            "date-time: archived_at created_at updated_at; integer: category_code type_code;"
            "int64: id letter_id patient_id"
        ),
        writable=frozenset(
            ["category_code", "confidential", "content", "direction_code", "from", "patient_id", "to", "type_code"]
        ),
        required=("content", "direction_code", "from", "patient_id", "to", "type_code"),
    ),
    Resource(
        name="recalls",
        shown={**_AUDIT, "recall_at": None, "notes": "", "archived_at": None},
        relations={"patient": "/patients/", "recall_type": "/recall_types/"},
        filters=types("date-time: archived_at created_at updated_at; int64: id patient_id"),
        writable=frozenset({"patient_id", "recall_type_id", "recall_at", "notes"}),
        required=("patient_id", "recall_type_id", "recall_at"),
    ),
    Resource(
        name="medical_alerts",
        shown={**_AUDIT, "name": "", "archived_at": None, "deleted_at": None},
        relations={"patient": "/patients/"},
        filters=types("date-time: archived_at created_at deleted_at updated_at; int64: id patient_id"),
        lifted_also_by={"archived_at": ("deleted_at",)},
        writable=frozenset({"name", "patient_id"}),
        required=("name", "patient_id"),
    ),
    Resource(
        name="patient_cases",
        shown={
            **_AUDIT,
            "name": "",
            "notes": None,
            "issue_date": None,
            "expiry_date": None,
            "max_sessions": None,
            "max_invoiceable_amount": None,
            "include_cancelled_attendees": False,
            "include_dna_attendees": False,
            "referral": False,
            "referral_type": None,
            "closed": False,
            "closed_at": None,
            "archived_at": None,
            "attendee_ids": [],
        },
        relations={"patient": "/patients/", "contact": "/contacts/"},
        links={
            "attendees": "/patient_cases/{id}/attendees",
            "bookings": "/patient_cases/{id}/bookings",
            "invoices": "/patient_cases/{id}/invoices",
            "patient_attachments": "/patient_cases/{id}/patient_attachments",
        },
        filters=types(
            "date-time: archived_at closed_at created_at updated_at; int64: id patient_id;"
            "date: expiry_date issue_date; string: name referral_type"
        ),
        writable=frozenset(
            [
                "closed",
                "contact_id",
                "expiry_date",
                "include_cancelled_attendees",
                "include_dna_attendees",
                "issue_date",
                "name",
                "notes",
                "max_invoiceable_amount",
                "max_sessions",
                "patient_id",
                "referral",
                "referral_type",
                "attendee_ids",
                "patient_attachment_ids",
            ]
        ),
        required=("name", "patient_id"),
    ),
    Resource(
        name="referral_sources",
        shown={
            **_AUDIT,
            "archived_at": None,
            "notes": None,
            "referrer_type": None,
            "subcategory": None,
        },
        relations={
            "patient": "/patients/",
            "referral_source_type": "/referral_source_types/",
            "referrer": "",
        },
        filters=types("date-time: archived_at created_at updated_at;int64: id referral_source_type_id referrer_id"),
        writable=frozenset({"notes", "referrer_id", "referral_source_type_id", "subcategory"}),
        adjust=_show_referrer,
    ),
)
