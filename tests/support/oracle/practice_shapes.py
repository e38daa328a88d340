"""The records of a practice that every clinic has: types of appointment, practitioners, business."""

from support.oracle.record_shapes import Record, dated, link, links

SINCE = "2010-01-01T00:00:00Z"


def appointment_type_record(ident: str, name: str, max_attendees: int = 1) -> Record:
    blank = (
        "archived_at category description online_bookings_lead_time_hours online_payments_mode"
        " deposit_price add_deposit_to_account_credit"
    )
    templates = ["confirmation", "reminder", "follow_up"]
    query = f"q%5B%5D=appointment_type_id%3A%3D{ident}"
    return {
        **dated(ident, SINCE, None),
        **dict.fromkeys(blank.split()),
        "name": name,
        "color": "#3366FF",
        "duration_in_minutes": 30,
        "max_attendees": max_attendees,
        "show_in_online_bookings": True,
        "online_payments_enabled": False,
        "telehealth_enabled": False,
        **{f"appointment_{kind}_template_ids": [] for kind in templates},
        "appointment_type_billable_items": link(f"appointment_type_billable_items?{query}"),
        "appointment_type_products": link(f"appointment_type_products?{query}"),
        **links(f"appointment_types/{ident}", "practitioners"),
    }


def practitioner_record(ident: str, first_name: str, last_name: str) -> Record:
    names = f"{first_name} {last_name}"
    below = ("appointment_types", "appointments", "invoices", "practitioner_reference_numbers")
    return {
        **dated(ident, SINCE, None),
        **dict.fromkeys(["title", "designation", "description"]),
        "active": True,
        "first_name": first_name,
        "last_name": last_name,
        "display_name": names,
        "label": names,
        "show_in_online_bookings": True,
        **links(f"practitioners/{ident}", *below),
    }


def business_record(ident: str, name: str, time_zone: str) -> Record:
    blank = (
        "archived_at deleted_at display_name address_1 address_2 city state post_code contact_information"
        " additional_information additional_invoice_information business_registration_name"
        " business_registration_value email_reply_to website_address"
    )
    return {
        **dated(ident, SINCE, None),
        **dict.fromkeys(blank.split()),
        "business_name": name,
        "label": name,
        "country": "Australia",
        "country_code": "AU",
        "time_zone": time_zone.split("/")[-1].replace("_", " "),
        "time_zone_identifier": time_zone,
        "show_in_online_bookings": True,
        "appointment_reminders_enabled": True,
        "appointment_type_ids": [],
        **links(f"businesses/{ident}", "appointments", "practitioners"),
    }
