"""How much a patient comes: appointments of the last 45 days and of the next 30, and what they count for.

Counters have short names, since each is stored with every change; the constants are their only spelling.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from rules.calendar import Calendar
from rules.facts import Appointment

if TYPE_CHECKING:
    from rules.view import View

RECENT_DAYS = 45
COMING_DAYS = 30
ACTIVITY_BOUNDS = (1, 2, 4)
ACTIVITY_NAMES = ("none", "one", "two_or_three", "four_or_more")
"""Recent appointments of active patients: 0, 1, 2-3, 4 and more."""

ACTIVITY = ("ad0", "ad1", "ad2", "ad3")
WITH_UPCOMING, RECENT_SUM, TOTAL_SUM, WITH_ANY = "upc", "nrec", "ntot", "any"

NEVER = 10**9
"""A day that does not come."""


class Activity(NamedTuple):
    """Of one patient, the same on all days before `until` as long as no fact begins or ends."""

    recent: int
    """Appointments of the last 45 days, not cancelled."""
    active: bool
    """One of them, or one in the next 30 days."""
    figures: Mapping[str, int]
    """Counters; empty for patients without appointments."""
    until: int


def activity_of(view: "View") -> Activity:
    """The activity as of the view's instant."""
    if not view.started and not view.future:
        return _NONE
    recent, until = _recent(view)
    active = recent > 0
    if view.future and not active:
        comes_into_sight = view.calendar.day(view.future[0].starts_at) - COMING_DAYS
        active = comes_into_sight <= view.today
        until = NEVER if active else comes_into_sight
    return Activity(recent, active, _figures(view, recent, active=active), until)


_NONE = Activity(0, False, MappingProxyType({}), NEVER)


def _recent(view: "View") -> tuple[int, int]:
    """How many started recently, and the day on which the first of them is recent no longer."""
    count, until = 0, NEVER
    since = view.calendar.start(view.today - RECENT_DAYS + 1)
    for of in (view.attended, view.missed, view.unmarked):
        found = _since(of, since)
        if found:
            count += found
            until = min(until, _passes(of[-found], view.calendar))
    return count, until


def _since(appointments: Sequence[Appointment], since: int) -> int:
    """How many of the appointments, which are in order of their starts, start at or after an instant."""
    count = 0
    for appointment in reversed(appointments):
        if appointment.starts_at < since:
            break
        count += 1
    return count


def _passes(appointment: Appointment, calendar: Calendar) -> int:
    return calendar.day(appointment.starts_at) + RECENT_DAYS


def _figures(view: "View", recent: int, *, active: bool) -> dict[str, int]:
    figures = {WITH_ANY: 1}
    if active:
        figures[TOTAL_SUM] = view.started + len(view.future)
        figures[ACTIVITY[sum(recent >= bound for bound in ACTIVITY_BOUNDS)]] = 1
        if recent:
            figures[RECENT_SUM] = recent
        if view.future:
            figures[WITH_UPCOMING] = 1
    return figures


def active_patients(state: Mapping[str, int]) -> int:
    """How many patients of an organization are active, from its state figures."""
    return sum(state.get(counter, 0) for counter in ACTIVITY)


def with_recent_appointments(state: Mapping[str, int]) -> int:
    """How many of them have recent appointments."""
    return sum(state.get(counter, 0) for counter in ACTIVITY[1:])
