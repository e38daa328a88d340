"""What one patient counts for in the organization's numbers, as known at an instant.

State figures are those of the instant alone (who stands in which class); day figures belong to a
local day (an attempt to the day it began). Counters have short names, since each is stored with
every change; the constants below and in `rules.activity` are their only spelling. Who moves from one
class to another changes several state figures by one: these have one name together ("+any+c20-c4"),
so that what a patient adds at an instant is one number to store, and many take the same way.
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from rules.activity import NOT_COMING, Coming, activity_changes
from rules.episodes import episodes, in_scope_at
from rules.instants import FOREVER
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


_COUNTED_FROM = tuple(counted_from_counter(class_parts(number)[0]) for number in CLASSES)


def flags_of(view: View) -> int:
    """The alerts that a patient is part of."""
    flags = 0
    if not view.future:
        flags = NO_FUTURE | OVERDUE if view.followup_overdue else NO_FUTURE
    if view.missed and view.missed_recently:
        flags |= MISSED
    if view.facts.reports and view.failed_communication:
        flags |= FAILED
    return flags


Position = tuple[int, int, Coming]
"""Where a patient stands at an instant: the class, the day from which a patient at risk is counted (0: not at risk), and
what the appointments count for."""

NOWHERE: Position = (-1, 0, NOT_COMING)
"""Not in scope."""


def position_of(view: View) -> Position:
    """Where the patient stands at the view's instant."""
    if not view.in_scope:
        return NOWHERE
    counted_from = view.counted_from_day
    days = view.today - counted_from
    dormant = not view.future and days > view.settings.active_window_days
    number = patient_class(dormant, level_of(days), flags_of(view))
    return number, counted_from if days >= AT_RISK_FROM_DAYS else 0, view.activity.coming


def position_changes(old: Position, new: Position) -> dict[str, int]:
    """What changes when a patient moves from one to the other, without zeros: {`together` or counter: change}."""
    (before, was_counted_from, was_coming), (after, counted_from, coming) = old, new
    changes = dict(_moved(before, after, was_coming, coming))
    if was_counted_from:
        changes[_COUNTED_FROM[before]] = -was_counted_from
    if counted_from:
        counter = _COUNTED_FROM[after]
        change = changes.get(counter, 0) + counted_from
        if change:
            changes[counter] = change
        else:
            del changes[counter]
    return changes


@lru_cache(maxsize=65_536)
def _moved(before: int, after: int, was_coming: Coming, coming: Coming) -> Mapping[str, int]:
    changes = activity_changes(was_coming, coming)
    if before != after:
        changes |= {_COUNTERS[number]: change for number, change in ((before, -1), (after, 1)) if number >= 0}
    return together(changes)


def together(changes: Mapping[str, int]) -> dict[str, int]:
    """The same changes, those of counters that change by one under one name."""
    by_one = sorted(counter for counter, change in changes.items() if change in (1, -1))
    named = {counter: change for counter, change in changes.items() if change not in (1, -1)}
    if by_one:
        named["".join(f"{'+' if changes[counter] == 1 else '-'}{counter}" for counter in by_one)] = 1
    return named


def apart(changes: Mapping[str, int]) -> dict[str, int]:
    """{counter: change}, of changes of which some may be named together."""
    sums: dict[str, int] = {}
    for name, times in changes.items():
        for counter, change in _named(name):
            sums[counter] = sums.get(counter, 0) + change * times
    return sums


@lru_cache(maxsize=65_536)
def _named(name: str) -> tuple[tuple[str, int], ...]:
    if name[0] not in "+-":
        return ((name, 1),)
    return tuple((counter, 1 if sign == "+" else -1) for sign, counter in _ONE.findall(name))


_ONE = re.compile(r"([+-])([^+-]+)")


def state_figures(view: View) -> dict[str, int]:
    """All counters of the instant; empty when not in scope."""
    return apart(position_changes(NOWHERE, position_of(view)))


def new_at_risk_days(view: View) -> list[int]:
    """Local days on which the patient's 14th day without contact fell and passed without one."""
    contact = view.facts.contact
    if not view.in_scope or contact is None:
        return []
    day = view.calendar.day
    created = day(contact.created_at)
    days = view.contact_days
    if not days or days[0] > created:
        days = [created, *days]
    latest = view.today - FOURTEENTH_DAY
    gaps = zip(days, (*days[1:], FOREVER), strict=True)
    return [
        counted_from + FOURTEENTH_DAY
        for counted_from, following in gaps
        if created - FOURTEENTH_DAY <= counted_from <= latest and following - counted_from > FOURTEENTH_DAY
    ]


@lru_cache(maxsize=65_536)
def _new_at_risk(day: int) -> DayFigures:
    return (((day, NEW_AT_RISK), 1),)


def day_items(view: View) -> dict[Item, DayFigures]:
    """What the patient counts for by local day, one item for each attempt, episode and day at risk."""
    items: dict[Item, DayFigures] = {("new", day): _new_at_risk(day) for day in new_at_risk_days(view)}
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
