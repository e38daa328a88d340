"""How much a patient comes: appointments of the last 45 days and of the next 30, and what they count for.

Counters have short names, since each is stored with every change; the constants are their only spelling.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from rules.instants import FOREVER

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


Coming = tuple[int, int, bool, bool]
"""What a patient's appointments count for: how many, how many recently, whether any is upcoming, whether active."""

NOT_COMING: Coming = (0, 0, False, False)


class Activity(NamedTuple):
    """Of one patient, the same on all days before `until` as long as no fact begins or ends."""

    recent: int
    """Appointments of the last 45 days, not cancelled."""
    active: bool
    """One of them, or one in the next 30 days."""
    coming: Coming
    until: int


def activity_of(view: "View") -> Activity:
    """The activity as of the view's instant."""
    total = view.started + len(view.future)
    if not total:
        return _NONE
    recent, until = _recent(view)
    active = recent > 0
    if view.future and not active:
        comes_into_sight = view.calendar.day(view.future[0].starts_at) - COMING_DAYS
        active = comes_into_sight <= view.today
        until = NEVER if active else comes_into_sight
    return Activity(recent, active, (total, recent, bool(view.future), active), until)


_NONE = Activity(0, False, NOT_COMING, NEVER)


def _recent(view: "View") -> tuple[int, int]:
    """How many started recently, and the day on which the first of them is recent no longer."""
    count, first = 0, FOREVER
    since = view.calendar.start(view.today - RECENT_DAYS + 1)
    for in_order in (view.attended, view.missed, view.unmarked):
        for appointment in reversed(in_order):
            starts_at = appointment.starts_at
            if starts_at < since:
                break
            count += 1
            first = min(first, starts_at)
    return count, view.calendar.day(first) + RECENT_DAYS if count else NEVER


def activity_figures(coming: Coming) -> dict[str, int]:
    """Counters; empty for patients without appointments."""
    total, recent, with_upcoming, active = coming
    if not total:
        return {}
    figures = {WITH_ANY: 1}
    if active:
        figures[TOTAL_SUM] = total
        figures[ACTIVITY[bisect_right(ACTIVITY_BOUNDS, recent)]] = 1
        if recent:
            figures[RECENT_SUM] = recent
        if with_upcoming:
            figures[WITH_UPCOMING] = 1
    return figures


def activity_changes(old: Coming, new: Coming) -> dict[str, int]:
    """How the counters change from one to the other, without zeros."""
    before, after = activity_figures(old), activity_figures(new)
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in {**before, **after}}
    return {name: change for name, change in changes.items() if change}


def active_patients(state: Mapping[str, int]) -> int:
    """How many patients of an organization are active, from its state figures."""
    return sum(state.get(counter, 0) for counter in ACTIVITY)


def with_recent_appointments(state: Mapping[str, int]) -> int:
    """How many of them have recent appointments."""
    return sum(state.get(counter, 0) for counter in ACTIVITY[1:])
