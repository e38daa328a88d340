"""The risk score: points for named signals, 0 to 100 (docs/metrics.md gives the reasons).

No part falls as days pass without contact and without a new fact: days only add, missed visits
are counted from a day that moves with contacts alone, and what is overdue stays so.
"""

from typing import NamedTuple

from rules.calendar import day_text
from rules.view import View

DAYS_WITHOUT_CONTACT = ((180, 60), (90, 55), (45, 50), (30, 40), (14, 25), (7, 10))
"""(from days, points): the levels' thresholds, and two more, since a patient lost for half a
year comes back less often than one lost for seven weeks."""

NO_FUTURE_BOOKING = 10
"""A booked patient is on the way back already."""

OVERDUE_FOLLOWUP = 10
"""The plan of care itself says that the patient should have been seen."""

MISSED_APPOINTMENT = 5
MISSED_APPOINTMENTS_AT_MOST = 15
"""A patient who does not turn up is drifting; more than three say nothing new."""

LAST_OUTREACH_FAILED = 5
"""The last try went unanswered: another one is needed, and harder."""

MISSED_SINCE_DAYS_BEFORE_CONTACT = 90


class Part(NamedTuple):
    """One signal's points and the fact behind them."""

    name: str
    points: int
    because: str


def risk_parts(view: View) -> tuple[Part, ...]:
    """The parts with points, most first as listed here; their sum is the score."""
    parts = []
    days = view.days_since_last_contact
    points = _days_points(days)
    if points:
        parts.append(Part("days_without_contact", points, _days_reason(view)))
    missed = missed_near_last_contact(view)
    if missed:
        points = min(missed * MISSED_APPOINTMENT, MISSED_APPOINTMENTS_AT_MOST)
        since = day_text(view.counted_from_day - MISSED_SINCE_DAYS_BEFORE_CONTACT)
        parts.append(Part("missed_appointments", points, f"{missed} missed since {since}"))
    if view.followup_overdue and view.followup_day is not None:
        because = f"follow-up was due on {day_text(view.followup_day)}"
        parts.append(Part("overdue_followup", OVERDUE_FOLLOWUP, because))
    last = view.outreach.last
    if last is not None and view.last_attempt_failed:
        on = day_text(view.calendar.day(last.latest.first_at))
        because = f"no success with the {last.latest.channel} message of {on}"
        parts.append(Part("last_outreach_failed", LAST_OUTREACH_FAILED, because))
    if not view.has_booking:
        parts.append(Part("no_future_booking", NO_FUTURE_BOOKING, "nothing is booked"))
    return tuple(parts)


def risk_score(view: View) -> int:
    """The sum of the parts' points, without their texts."""
    score = _days_points(view.days_since_last_contact)
    if view.missed:
        missed = missed_near_last_contact(view)
        score += min(missed * MISSED_APPOINTMENT, MISSED_APPOINTMENTS_AT_MOST)
    if view.followup_overdue:
        score += OVERDUE_FOLLOWUP
    if view.last_attempt_failed:
        score += LAST_OUTREACH_FAILED
    if not view.has_booking:
        score += NO_FUTURE_BOOKING
    return score


def missed_near_last_contact(view: View) -> int:
    """Missed appointments since 90 days before the last contact (or the record's creation)."""
    first = view.counted_from_day - MISSED_SINCE_DAYS_BEFORE_CONTACT
    day = view.calendar.day
    return sum(1 for a in view.missed if day(a.starts_at) >= first)


def _days_points(days: int) -> int:
    return next((points for first, points in DAYS_WITHOUT_CONTACT if days >= first), 0)


def _days_reason(view: View) -> str:
    """Says what stays so for the whole step, however many days into it this is."""
    first = next(first for first, _ in DAYS_WITHOUT_CONTACT if view.days_since_last_contact >= first)
    since = "last contact" if view.contacts else "no contact since the record was created"
    return f"{first} days or more: {since} on {day_text(view.counted_from_day)}"
