"""The bodies of the Cliniko data endpoints (the parts that do not depend on the sync)."""

from support.oracle.contact import future_bookings, last_appointment_on
from support.oracle.facts import Appointment
from support.oracle.rounding import mean
from support.oracle.times import rfc3339
from support.oracle.view import Known, View, cancelled

RECENT_DAYS = 45
ACTIVE_NEXT_DAYS = 30


def not_cancelled(k: Known) -> list[Appointment]:
    """ "recent, older and upcoming, not cancelled"."""
    return [a for a in k.appointments if not cancelled(a, k.at)]


def recent(k: Known) -> list[Appointment]:
    """ "recent = the last 45 days", "newest first". READING: one instant: by ids."""
    found = [a for a in not_cancelled(k) if k.calendar.in_last_days(a.starts_at, RECENT_DAYS, k.at)]
    found.sort(key=lambda a: (a.id, a.attendee_id))
    return sorted(found, key=lambda a: a.starts_at, reverse=True)


def is_active(k: Known) -> bool:
    """ "an appointment that is not cancelled in the last 45 days or the next 30"."""
    return bool(recent(k)) or any(
        k.calendar.in_next_days(a.starts_at, ACTIVE_NEXT_DAYS, k.at) for a in k.once(future_bookings)
    )


def brief(appointment: Appointment) -> dict:
    return {
        "date": rfc3339(appointment.starts_at),
        "type": appointment.type,
        "id": appointment.id,
    }


def newest_first(rows: list[dict], id_field: str) -> list[dict]:
    """ "Newest `last_appointment_date` first, those without one last, ties by patient id"."""
    rows = sorted(rows, key=lambda r: r[id_field])
    return sorted(rows, key=lambda r: r["last_appointment_date"] or "", reverse=True)


def last_on(k: Known) -> str | None:
    day = last_appointment_on(k)
    return day.isoformat() if day else None


def active_patients(view: View) -> dict:
    rows = [
        {
            "id": k.patient.id,
            "contact_id": k.patient.id,
            "contact_name": k.patient.name,
            "contact_phone": k.patient.phone,
            "contact_email": k.patient.email,
            "recent_appointment_count": len(recent(k)),
            "upcoming_appointment_count": len(k.once(future_bookings)),
            "total_appointment_count": len(not_cancelled(k)),
            "last_appointment_date": last_on(k),
            "recent_appointments": [brief(a) for a in recent(k)],
            "upcoming_appointments": [brief(a) for a in k.once(future_bookings)],
            "created_at": rfc3339(k.patient.created_at),
            "updated_at": rfc3339(k.patient.updated_at),
        }
        for k in view.in_scope
        if is_active(k)
    ]
    return {
        "organization_id": view.settings["id"],
        "active_patients": newest_first(rows, "id"),
        "total_count": len(rows),
    }


def active_patients_summary(view: View) -> dict:
    """READING: all counts and means are over the active patients; a mean of nobody is null."""
    active = [k for k in view.in_scope if is_active(k)]
    return {
        "organization_id": view.settings["id"],
        "total_active_patients": len(active),
        "patients_with_recent_appointments": sum(bool(recent(k)) for k in active),
        "patients_with_upcoming_appointments": sum(bool(k.once(future_bookings)) for k in active),
        "avg_recent_appointments": mean([len(recent(k)) for k in active]),
        "avg_total_appointments": mean([len(not_cancelled(k)) for k in active]),
    }


def status(view: View) -> dict:
    active = [k for k in view.in_scope if is_active(k)]
    return {
        "organization_id": view.settings["id"],
        "total_contacts": len(view.in_scope),
        "active_patients": len(active),
        # "(active patients with one)": one upcoming, whenever it is
        "upcoming_appointments": sum(bool(k.once(future_bookings)) for k in active),
    }


def contacts_with_appointments(view: View) -> dict:
    """ "patients with any appointment not cancelled"."""

    def next_appointment(k: Known) -> dict | None:
        coming = k.once(future_bookings)
        return (
            {
                "time": rfc3339(coming[0].starts_at),
                "type": coming[0].type,
                "practitioner": coming[0].practitioner,
                "days_until": k.calendar.days_between(k.at, coming[0].starts_at),
            }
            if coming
            else None
        )

    rows = [
        {
            "contact_id": k.patient.id,
            "name": k.patient.name,
            "phone": k.patient.phone,
            "email": k.patient.email,
            "cliniko_patient_id": k.patient.id,
            "recent_appointment_count": len(recent(k)),
            "upcoming_appointment_count": len(k.once(future_bookings)),
            "last_appointment_date": last_on(k),
            "recent_appointments": [brief(a) for a in recent(k)],
            "next_appointment": next_appointment(k),
        }
        for k in view.in_scope
        if not_cancelled(k)
    ]
    return {
        "organization_id": view.settings["id"],
        "contacts_with_appointments": newest_first(rows, "contact_id"),
        "total_count": len(rows),
    }
