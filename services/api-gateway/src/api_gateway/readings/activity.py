"""The rows of the two lists of Cliniko data: active patients, contacts with appointments."""

from typing import Any

from rules.activity import RECENT_DAYS
from rules.calendar import day_text
from rules.facts import Appointment
from rules.instants import format_instant
from rules.numbers import one_decimal
from rules.view import View

Row = dict[str, Any]


def recent_appointments(view: View) -> list[Appointment]:
    """Those of the last 45 days, not cancelled, newest first."""
    day = view.calendar.day
    started = [*view.attended, *view.missed, *view.unmarked]
    recent = [a for a in started if view.today - day(a.starts_at) < RECENT_DAYS]
    return sorted(recent, key=lambda a: (-a.starts_at, a.order))


def upcoming_appointments(view: View) -> list[Appointment]:
    """All after the view's instant, not cancelled, soonest first."""
    return sorted(view.future, key=lambda a: (a.starts_at, a.order))


def active_patient_row(view: View) -> Row:
    """One of `active_patients`."""
    contact = view.facts.contact
    assert contact is not None
    recent, upcoming = recent_appointments(view), upcoming_appointments(view)
    return {
        "id": view.facts.patient_id,
        "contact_id": view.facts.patient_id,
        "contact_name": contact.shown_name,
        "contact_phone": contact.phone,
        "contact_email": contact.email,
        "recent_appointment_count": len(recent),
        "upcoming_appointment_count": len(upcoming),
        "total_appointment_count": view.started + len(upcoming),
        "last_appointment_date": _last_date(view),
        "recent_appointments": [_short(a) for a in recent],
        "upcoming_appointments": [_short(a) for a in upcoming],
        "created_at": format_instant(contact.created_at),
        "updated_at": format_instant(contact.updated_at),
    }


def contact_row(view: View) -> Row:
    """One of `contacts_with_appointments`."""
    contact = view.facts.contact
    assert contact is not None
    recent = recent_appointments(view)
    booking = view.next_booking
    return {
        "contact_id": view.facts.patient_id,
        "name": contact.shown_name,
        "phone": contact.phone,
        "email": contact.email,
        "cliniko_patient_id": view.facts.patient_id,
        "recent_appointment_count": len(recent),
        "upcoming_appointment_count": len(view.future),
        "last_appointment_date": _last_date(view),
        "recent_appointments": [_short(a) for a in recent],
        "next_appointment": None
        if booking is None
        else {
            "time": format_instant(booking.starts_at),
            "type": booking.type,
            "practitioner": booking.practitioner,
            "days_until": view.calendar.day(booking.starts_at) - view.today,
        },
        "appointment_frequency": _frequency(view),
    }


def _frequency(view: View) -> Row:
    days = view.attended_days
    return {
        "attended_days": len(days),
        "average_days_between": one_decimal(days[-1] - days[0], len(days) - 1) if len(days) > 1 else None,
    }


def _last_date(view: View) -> str | None:
    return day_text(view.attended_days[-1]) if view.attended else None


def _short(appointment: Appointment) -> Row:
    return {
        "date": format_instant(appointment.starts_at),
        "type": appointment.type,
        "id": appointment.id,
    }
