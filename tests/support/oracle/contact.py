"""When patient and clinic last interacted, and the level that follows from the days since."""

from datetime import date, datetime, timedelta

from support.oracle.facts import Appointment
from support.oracle.view import Known, cancelled

TWO_WAY = frozenset({"responded", "connected", "appointment_booked"})
# level, its first day without contact
LEVELS = (("critical", 45), ("high", 30), ("medium", 14), ("low", 7), ("engaged", 0))
AT_RISK = ("critical", "high", "medium")
NEXT_LEVEL_ON_DAY = {"engaged": 7, "low": 14, "medium": 30, "high": 45}


def started(k: Known) -> list[Appointment]:
    """Begun at or before T, existing, not cancelled as of T."""
    return [a for a in k.appointments if a.starts_at <= k.at and not cancelled(a, k.at)]


def attended(k: Known) -> list[Appointment]:
    """ "started at or before T, exists, not cancelled, not `did_not_arrive` ... an unmarked past
    appointment counts as attended; an organization can set `require_arrival_mark`".

    READING: with `require_arrival_mark` an unmarked one is neither attended nor missed.
    """
    needs_mark = k.settings.get("require_arrival_mark", False)
    return [a for a in started(k) if not a.did_not_arrive and (a.arrived or not needs_mark)]


def missed(k: Known) -> list[Appointment]:
    """ "`did_not_arrive` is true ..., started at or before T, exists, not cancelled"."""
    return [a for a in started(k) if a.did_not_arrive]


def future_bookings(k: Known) -> list[Appointment]:
    """ "starts after T, exists, not cancelled as of T"; soonest first."""
    coming = [a for a in k.appointments if a.starts_at > k.at and not cancelled(a, k.at)]
    return sorted(coming, key=lambda a: (a.starts_at, a.id, a.attendee_id))


def contacts(k: Known) -> list[datetime]:
    """ "an attended appointment (its start), a communication received from the patient, or a
    two-way outreach outcome ..., each report at its own time"."""
    return [
        *(a.starts_at for a in attended(k)),
        *(c.created_at for c in k.communications),
        *(e.time for e in k.events if e.outcome in TWO_WAY),
    ]


def last_contact(k: Known) -> datetime | None:
    return max(k.once(contacts), default=None)


def counted_from(k: Known) -> datetime:
    """ "days from the last contact to T; with none ever, from the day the patient record was
    created"."""
    return k.once(last_contact) or k.patient.created_at


def days_since_last_contact(k: Known) -> int:
    return k.calendar.days_between(counted_from(k), k.at)


def level_of(days: int) -> str:
    return next(level for level, first in LEVELS if days >= first)


def level(k: Known) -> str:
    """ "The level depends on the days alone." """
    return level_of(days_since_last_contact(k))


def dormant(k: Known) -> bool:
    """ "more than `active_window_days` since the last contact and no future booking"."""
    window = k.settings["active_window_days"]
    return days_since_last_contact(k) > window and not k.once(future_bookings)


def last_attended(k: Known) -> Appointment | None:
    """READING: of several begun in the same instant, the one with the greatest id."""
    return max(attended(k), key=lambda a: (a.starts_at, a.id, a.attendee_id), default=None)


def last_appointment_on(k: Known) -> date | None:
    """ "local date of the last attended one"."""
    last = last_attended(k)
    return k.calendar.local_date(last.starts_at) if last else None


def next_level_on(k: Known) -> date:
    """The day on which the next, worse level begins; for all but critical."""
    first = k.calendar.local_date(counted_from(k))
    return first + timedelta(days=NEXT_LEVEL_ON_DAY[level(k)])
