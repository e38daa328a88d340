"""Cliniko records with all the keys that Cliniko shows, for tests that invent them.

Only what the definitions speak of is a parameter; instants are texts as Cliniko writes them.
"""

BASE = "https://api.au1.cliniko.com/v1"
Record = dict


def link(path: str) -> Record:
    return {"links": {"self": f"{BASE}/{path}"}}


def links(path: str, *names: str) -> Record:
    """Links to what lies below a record, and the record's own."""
    return {**{name: link(f"{path}/{name}") for name in names}, **link(path)}


def dated(ident: str, created_at: str, updated_at: str | None) -> Record:
    return {"id": ident, "created_at": created_at, "updated_at": updated_at or created_at}


def patient_record(ident: str, created_at: str, *, updated_at: str | None = None, **fields: object) -> Record:
    """`fields` replace the blanks; `merged_with` and `latest_booking` take ids."""
    merged_with, latest_booking = fields.pop("merged_with", None), fields.pop("latest_booking", None)
    blank = [
        "title",
        "preferred_first_name",
        "pronouns",
        "date_of_birth",
        "sex",
        "gender",
        "gender_identity",
        "occupation",
        "email",
        "address_1",
        "address_2",
        "address_3",
        "city",
        "state",
        "post_code",
        "time_zone",
        "emergency_contact",
        "notes",
        "appointment_notes",
        "medicare",
        "medicare_reference_number",
        "dva_card_number",
        "old_reference_id",
        "reminder_type",
        "accepted_privacy_policy",
        "accepted_email_marketing",
        "accepted_sms_marketing",
        "referral_source",
        "invoice_default_to",
        "invoice_email",
        "invoice_extra_information",
        "custom_fields",
        "archived_at",
        "deleted_at",
        "merged_at",
    ]
    names = f"{fields.get('first_name', 'Patient')} {fields.get('last_name', ident)}"
    record = {
        **dated(ident, created_at, updated_at),
        **dict.fromkeys(blank),
        "first_name": "Patient",
        "last_name": ident,
        "label": names,
        "patient_phone_numbers": [],
        "country": "Australia",
        "country_code": "AU",
        "receives_confirmation_emails": True,
        "receives_cancellation_emails": True,
        **fields,
        **links(f"patients/{ident}", "appointments", "invoices", "medical_alerts", "patient_attachments"),
        "attendees": link(f"attendees?q%5B%5D=patient_id%3A%3D{ident}"),
        "relationships": link(f"relationships?q%5B%5D=patient_id%3A%3D{ident}"),
    }
    if merged_with:
        record["merged_with_patient"] = link(f"patients/{merged_with}")
    if latest_booking:
        record["latest_booking"] = link(f"bookings/{latest_booking}")
    return record


def phone_number(number: str, phone_type: str) -> Record:
    digits = "".join(character for character in number if character.isdigit())
    return {"number": number, "normalized_number": digits, "phone_type": phone_type}


def appointment_links(type_id: str, practitioner_id: str, business_id: str) -> Record:
    return {
        "appointment_type": link(f"appointment_types/{type_id}"),
        "business": link(f"businesses/{business_id}"),
        "practitioner": link(f"practitioners/{practitioner_id}"),
    }


def individual_record(
    ident: str, patient_id: str, created_at: str, starts_at: str, ends_at: str, linked: Record, **fields: object
) -> Record:
    """`linked` as from `appointment_links`."""
    blank = [
        "archived_at",
        "cancelled_at",
        "deleted_at",
        "notes",
        "patient_arrived",
        "did_not_arrive",
        "cancellation_reason",
        "cancellation_note",
        "booking_ip_address",
        "online_booking_policy_accepted",
        "invoice_status",
        "treatment_note_status",
        "repeats",
    ]
    return {
        **dated(ident, created_at, None),
        **dict.fromkeys(blank),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "patient_name": f"Patient {patient_id}",
        "has_patient_appointment_notes": False,
        "cancellation_reason_description": "",
        "email_reminder_sent": False,
        "sms_reminder_sent": False,
        "repeat_rule": {},
        "telehealth_url": None,
        **fields,
        **linked,
        "patient": link(f"patients/{patient_id}"),
        **links(f"individual_appointments/{ident}", "attendees", "conflicts"),
    }


def class_record(
    ident: str, patient_ids: list[str], created_at: str, starts_at: str, ends_at: str, linked: Record, **fields: object
) -> Record:
    return {
        **dated(ident, created_at, None),
        **dict.fromkeys(["archived_at", "deleted_at", "notes", "repeats", "telehealth_url"]),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "max_attendees": 8,
        "patient_ids": patient_ids,
        "repeat_rule": {},
        **fields,
        **linked,
        **links(f"group_appointments/{ident}", "attendees", "conflicts"),
    }


def attendee_record(ident: str, booking_id: str, patient_id: str, created_at: str, **fields: object) -> Record:
    blank = [
        "archived_at",
        "cancelled_at",
        "deleted_at",
        "arrived",
        "cancellation_reason",
        "cancellation_note",
        "booking_ip_address",
        "online_booking_policy_accepted",
        "notes",
        "invoice_status",
        "treatment_note_status",
    ]
    counts = "sent_email_reminders_count sent_sms_reminders_count sent_email_follow_ups_count sent_sms_follow_ups_count"
    return {
        **dated(ident, created_at, None),
        **dict.fromkeys(blank),
        **dict.fromkeys(counts.split(), 0),
        "cancellation_reason_description": "",
        "cancellation_url": f"https://sample-clinic.au1.cliniko.com/c/{ident}/cancel",
        "email_reminder_sent": False,
        "sms_reminder_sent": False,
        "telehealth_url": f"https://sample-clinic.au1.cliniko.com/c/{ident}",
        **fields,
        "booking": link(f"bookings/{booking_id}"),
        "patient": link(f"patients/{patient_id}"),
        **links(f"attendees/{ident}", "invoices", "patient_forms"),
    }


COMMUNICATION_TYPES = {"SMS": 1, "Email": 2, "Phone call": 3, "Other": 4}


def communication_record(
    ident: str, patient_id: str, created_at: str, *, kind: str, received: bool, **fields: object
) -> Record:
    return {
        **dated(ident, created_at, None),
        "archived_at": None,
        "type": kind,
        "type_code": COMMUNICATION_TYPES[kind],
        "direction_code": 2 if received else 1,
        "direction_description": "Received" if received else "Sent",
        "category": "Reply from Patient" if received else "SMS Message",
        "category_code": 8 if received else 7,
        **dict.fromkeys(("content", "from", "to")),
        **fields,
        "patient": link(f"patients/{patient_id}"),
        **link(f"communications/{ident}"),
    }


def recall_record(ident: str, patient_id: str, created_at: str, recall_at: str, **fields: object) -> Record:
    return {
        **dated(ident, created_at, None),
        "archived_at": None,
        "recall_at": recall_at,
        "notes": "",
        **fields,
        "patient": link(f"patients/{patient_id}"),
        "recall_type": link("recall_types/1709912345678995028"),
        **link(f"recalls/{ident}"),
    }


def alert_record(ident: str, patient_id: str, created_at: str, name: str, **fields: object) -> Record:
    return {
        **dated(ident, created_at, None),
        "archived_at": None,
        "deleted_at": None,
        "name": name,
        **fields,
        "patient": link(f"patients/{patient_id}"),
        **link(f"medical_alerts/{ident}"),
    }


def case_record(ident: str, patient_id: str, created_at: str, name: str, **fields: object) -> Record:
    blank = "archived_at notes issue_date expiry_date max_sessions max_invoiceable_amount referral_type closed_at"
    flags = "include_cancelled_attendees include_dna_attendees referral closed"
    return {
        **dated(ident, created_at, None),
        **dict.fromkeys(blank.split()),
        **dict.fromkeys(flags.split(), False),
        "name": name,
        "attendee_ids": [],
        **fields,
        "patient": link(f"patients/{patient_id}"),
        **links(f"patient_cases/{ident}", "attendees", "bookings", "invoices", "patient_attachments"),
    }


def referral_source_record(ident: str, patient_id: str, created_at: str, type_id: str) -> Record:
    return {
        **dated(ident, created_at, None),
        **dict.fromkeys(["archived_at", "notes", "referrer_type", "subcategory"]),
        "patient": link(f"patients/{patient_id}"),
        "referral_source_type": link(f"referral_source_types/{type_id}"),
        **link(f"patients/{patient_id}/referral_source"),
    }
