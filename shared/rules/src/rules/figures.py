"""What one patient counts for in the organization's numbers, as known at an instant.

State figures are those of the instant alone (who stands in which class); day figures belong to a
local day (an attempt to the day it began). Counters have short names, since each is stored with
every change; the constants below and in `rules.activity` are their only spelling.
"""

from collections import Counter
from collections.abc import Mapping
from typing import cast

from rules.episodes import episodes, in_scope_at
from rules.levels import AT_RISK_FROM_DAYS, LEVELS, level_of
from rules.outreach import Attempt
from rules.view import View

NO_FUTURE, MISSED, OVERDUE, FAILED = 1, 2, 4, 8
"""Flags of a class: nothing booked, missed recently, follow-up overdue, outreach failed."""

_FLAGS = 16
_OF_ONE_DORMANCY = _FLAGS * len(LEVELS)
CLASSES = range(2 * _OF_ONE_DORMANCY)

ATTEMPTS, SUCCESSES, BOOKINGS = "at", "ok", "bk"
BOOKED_ON, REENGAGED_ON, NEW_AT_RISK = "bd", "re", "nr"
EPISODES = tuple(f"e{level}" for level in range(len(LEVELS)))
EPISODES_WON = tuple(f"k{level}" for level in range(len(LEVELS)))
DAYS_TO_REENGAGE = "rd"
MESSAGES = {
    (channel, outcome): f"{channel[0]}_{outcome}"
    for channel, outcomes in {
        "sms": ("sent", "delivered", "responded"),
        "email": ("sent", "delivered", "opened", "clicked", "responded"),
        "phone": ("attempted", "connected", "appointment_booked"),
    }.items()
    for outcome in outcomes
}
USING = {"sms": "us", "email": "ue", "phone": "up"}
ANSWERED = {"sms": "as", "email": "ae", "phone": "ap"}

FOURTEENTH_DAY = AT_RISK_FROM_DAYS

Item = tuple[str, object]
"""What a day figure is counted for: an attempt, an episode, a day."""

DayFigures = tuple[tuple[tuple[int, str], int], ...]
"""(((local day, counter), count), …)"""


def patient_class(dormant: bool, level: int, flags: int) -> int:
    """Dormancy, level and flags as one number of CLASSES."""
    return dormant * _OF_ONE_DORMANCY + level * _FLAGS + flags


def class_parts(number: int) -> tuple[bool, int, int]:
    """(dormant, level, flags) of a class."""
    dormant, rest = divmod(number, _OF_ONE_DORMANCY)
    level, flags = divmod(rest, _FLAGS)
    return bool(dormant), level, flags


def class_counter(number: int) -> str:
    """The counter of the patients in a class."""
    return f"c{number}"


_COUNTERS = tuple(class_counter(number) for number in CLASSES)


def counted_from_counter(dormant: bool) -> str:
    """The counter that sums the days from which patients at risk are counted (ordinals)."""
    return "o1" if dormant else "o0"


def flags_of(view: View) -> int:
    """The alerts that a patient is part of."""
    flags = 0 if view.has_booking else NO_FUTURE
    if view.missed and view.missed_recently:
        flags |= MISSED
    if view.followup_overdue:
        flags |= OVERDUE
    if view.facts.reports and view.failed_communication:
        flags |= FAILED
    return flags


def standing_figures(view: View) -> dict[str, int]:
    """Counters of how the patient stands at the instant; empty when not in scope."""
    if not view.in_scope:
        return {}
    days = view.days_since_last_contact
    dormant = not view.future and days > view.settings.active_window_days
    figures = {_COUNTERS[patient_class(dormant, level_of(days), flags_of(view))]: 1}
    if days >= AT_RISK_FROM_DAYS:
        figures[counted_from_counter(dormant)] = view.counted_from_day
    return figures


def activity_figures(view: View) -> Mapping[str, int]:
    """Counters of how much the patient comes; empty when not in scope."""
    return view.activity.figures if view.in_scope else {}


def state_figures(view: View) -> dict[str, int]:
    """All counters of the instant."""
    return {**standing_figures(view), **activity_figures(view)}


def new_at_risk_days(view: View) -> list[int]:
    """Local days on which the patient's 14th day without contact fell and passed without one."""
    contact = view.facts.contact
    if not view.in_scope or contact is None:
        return []
    day = view.calendar.day
    created = day(contact.created_at)
    days = sorted({day(c) for c in view.contacts})
    if not days or days[0] > created:
        days.insert(0, created)
    found = []
    for position, counted_from in enumerate(days):
        fourteenth = counted_from + FOURTEENTH_DAY
        if position + 1 < len(days) and days[position + 1] <= fourteenth:
            continue
        if created <= fourteenth <= view.today:
            found.append(fourteenth)
    return found


def day_items(view: View) -> dict[Item, DayFigures]:
    """What the patient counts for by local day, one item for each attempt, episode and day at risk."""
    items: dict[Item, DayFigures] = {("new", day): (((day, NEW_AT_RISK), 1),) for day in new_at_risk_days(view)}
    if not view.facts.reports:
        return items
    for attempt in view.outreach.attempts:
        if in_scope_at(view, attempt.begun_at):
            items[("attempt", attempt.order)] = _attempt_figures(attempt, view)
    day = view.calendar.day
    for episode in episodes(view):
        opened_on = day(episode.opened_at)
        figures = [((opened_on, EPISODES[episode.level]), 1)]
        if episode.reengaged_at is not None:
            on = day(episode.reengaged_at)
            figures.append(((opened_on, EPISODES_WON[episode.level]), 1))
            figures.append(((opened_on, DAYS_TO_REENGAGE), on - opened_on))
            items[("won", on)] = (((on, REENGAGED_ON), 1),)
        items[("episode", episode.opened_at)] = tuple(figures)
    return items


def day_figures(view: View) -> Counter[tuple[int, str]]:
    """Counters by (local day, name): the sum of the patient's items."""
    figures: Counter[tuple[int, str]] = Counter()
    for counted in day_items(view).values():
        for key, count in counted:
            figures[key] += count
    return figures


def _attempt_figures(attempt: Attempt, view: View) -> DayFigures:
    if attempt.figures is None:
        attempt.figures = tuple(_count_attempt(attempt, view).items())
    return cast("DayFigures", attempt.figures)


def _count_attempt(attempt: Attempt, view: View) -> Counter[tuple[int, str]]:
    figures: Counter[tuple[int, str]] = Counter()
    begun_on = view.calendar.day(attempt.begun_at)
    figures[begun_on, ATTEMPTS] += 1
    if attempt.successful:
        figures[begun_on, SUCCESSES] += 1
    if attempt.booked_at is not None:
        figures[begun_on, BOOKINGS] += 1
        figures[view.calendar.day(attempt.booked_at), BOOKED_ON] += 1
    for message in attempt.messages:
        for outcome in message.outcomes():
            figures[begun_on, MESSAGES[message.channel, outcome]] += 1
    for channel in {m.channel for m in attempt.messages}:
        figures[begun_on, USING[channel]] += 1
    for channel in {m.channel for m in attempt.messages if m.two_way}:
        figures[begun_on, ANSWERED[channel]] += 1
    return figures
