"""How an organization's sums lie in MongoDB: ladders of buckets, months down to instants.

A change that is known from an instant on is added to every rung of its ladder, so that a read as
of any T touches one small document per rung: whole months before T's month, whole days before
T's day, whole hours before T's hour, and the single instants of that hour. Buckets are local
days; hours are counted in UTC, so a rung never depends on how long a local hour is.

Documents of `risk_engine.rollups`, `_id` "ORG|GENERATION|LADDER|BUCKET" (`s` state figures, which
sum over all instants up to T; `d` day figures, which also name the local day they belong to):

    s|            n: {month: {counter: n}}                    the months' changes
    s|month       n: {day: {counter: n}}
    s|day         n: {hour: {counter: n}}
    s|day|hour    n: {instant: {counter: n}}
    d|month       n: {day it belongs to: {counter: n}}        all changes known in that month
    d|day         n: likewise
    d|day|hour    n: likewise; i: {instant: {day it belongs to: {counter: n}}}
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from rules.calendar import Calendar
from rules.contribution import Contribution
from rules.instants import HOUR

ROLLUPS = "rollups"

Increments = dict[str, Counter[str]]
"""{`_id` of a rollup: {field: change}}"""

Rollups = Mapping[str, Mapping[str, Any]]
"""Documents by `_id`."""

ALL = ""


def scope(organization_id: str, generation: int) -> str:
    """What all `_id`s of one generation of an organization's documents begin with."""
    return f"{organization_id}|{generation}"


class Ladder:
    """The `_id`s of one generation's rollups."""

    def __init__(self, organization_id: str, generation: int, calendar: Calendar) -> None:
        self._scope = scope(organization_id, generation)
        self._calendar = calendar

    def id(self, kind: str, *bucket: object) -> str:
        """The `_id` of a bucket."""
        return "|".join((self._scope, kind, *map(str, bucket)))

    def add(self, contribution: Contribution, sign: int, into: Increments) -> None:
        """Adds (or takes away) a patient's contribution to the increments of the rungs."""
        for instant, changes in contribution.state.items():
            month, day, hour = self._rungs(instant)
            for counter, change in changes.items():
                change *= sign
                _count(into, self.id("s", ALL), f"n.{month}.{counter}", change)
                _count(into, self.id("s", month), f"n.{day}.{counter}", change)
                _count(into, self.id("s", day), f"n.{hour}.{counter}", change)
                _count(into, self.id("s", day, hour), f"n.{instant}.{counter}", change)
        for (instant, belongs_to), changes in contribution.days.items():
            month, day, hour = self._rungs(instant)
            for counter, change in changes.items():
                change *= sign
                field = f"n.{belongs_to}.{counter}"
                _count(into, self.id("d", month), field, change)
                _count(into, self.id("d", day), field, change)
                _count(into, self.id("d", day, hour), field, change)
                field = f"i.{instant}.{belongs_to}.{counter}"
                _count(into, self.id("d", day, hour), field, change)

    def _rungs(self, instant: int) -> tuple[str, int, int]:
        day = self._calendar.day(instant)
        return month_of(day), day, instant // HOUR

    # ------------------------------------------------------------------ reading

    def state_ids(self, as_of: int) -> list[str]:
        """Rollups that `state` needs for an instant."""
        month, day, hour = self._rungs(as_of)
        ids = [self.id("s", ALL), self.id("s", month)]
        if as_of != self._calendar.end(day):
            ids += [self.id("s", day), self.id("s", day, hour)]
        return ids

    def state(self, rollups: Rollups, as_of: int) -> Counter[str]:
        """The organization's state figures as of an instant."""
        month, day, hour = self._rungs(as_of)
        figures: Counter[str] = Counter()
        _add_where(figures, rollups.get(self.id("s", ALL)), lambda m: m < month)
        if as_of == self._calendar.end(day):
            _add_where(figures, rollups.get(self.id("s", month)), lambda d: int(d) <= day)
            return figures
        _add_where(figures, rollups.get(self.id("s", month)), lambda d: int(d) < day)
        _add_where(figures, rollups.get(self.id("s", day)), lambda h: int(h) < hour)
        _add_where(figures, rollups.get(self.id("s", day, hour)), lambda i: int(i) <= as_of)
        return figures

    def states_ids(self, first: int, last: int) -> list[str]:
        """Rollups that `states` needs for the ends of local days first..last."""
        return [self.id("s", ALL), *(self.id("s", m) for m in months(first, last))]

    def states(self, rollups: Rollups, first: int, last: int) -> dict[int, Counter[str]]:
        """The state figures as of the end of each local day first..last."""
        month = month_of(first)
        figures: Counter[str] = Counter()
        _add_where(figures, rollups.get(self.id("s", ALL)), lambda m: m < month)
        changes: dict[int, Mapping[str, int]] = {}
        for m in months(first, last):
            by_day = (rollups.get(self.id("s", m)) or {}).get("n", {})
            changes.update((int(day), change) for day, change in by_day.items())
        found = {}
        for day in range(min((*changes, first)), last + 1):
            figures.update(changes.get(day, {}))
            if day >= first:
                found[day] = figures.copy()
        return found

    def days_ids(self, first: int, as_of: int) -> list[str]:
        """Rollups that `days` needs: nothing about a day is known before it begins."""
        _, day, hour = self._rungs(as_of)
        begin = self._calendar.start(day)
        return [
            *(self.id("d", m) for m in months(first, day)[:-1]),
            *(self.id("d", d) for d in range(max(first, first_of_month(day)), day)),
            *(self.id("d", day, h) for h in range(begin // HOUR, hour + 1) if first <= day),
        ]

    def days(self, rollups: Rollups, first: int, last: int, as_of: int) -> Counter[tuple[int, str]]:
        """The day figures of local days first..last as known at an instant."""
        _, day, hour = self._rungs(as_of)
        figures: Counter[tuple[int, str]] = Counter()
        now = self.id("d", day, hour)
        for rollup_id in self.days_ids(first, as_of):
            rollup = rollups.get(rollup_id)
            if rollup is None:
                continue
            if rollup_id != now:
                _add_days(figures, rollup.get("n", {}), first, last)
                continue
            for instant, by_day in rollup.get("i", {}).items():
                if int(instant) <= as_of:
                    _add_days(figures, by_day, first, last)
        return figures


def month_of(day: int) -> str:
    """YYYY-MM of a day."""
    return date.fromordinal(day).isoformat()[:7]


def first_of_month(day: int) -> int:
    """The first day of a day's month."""
    return date.fromordinal(day).replace(day=1).toordinal()


def months(first: int, last: int) -> list[str]:
    """Every month that holds one of the days first..last, in order."""
    found = []
    begin = first_of_month(first)
    while begin <= last:
        found.append(month_of(begin))
        begin = first_of_month(begin + 31)
    return found


def _count(into: Increments, rollup_id: str, field: str, change: int) -> None:
    into.setdefault(rollup_id, Counter())[field] += change


def _add_where(figures: Counter[str], rollup: Mapping[str, Any] | None, wanted: Any) -> None:
    if rollup is not None:
        for bucket, changes in rollup.get("n", {}).items():
            if wanted(bucket):
                figures.update(changes)


def _add_days(
    figures: Counter[tuple[int, str]],
    by_day: Mapping[str, Mapping[str, int]],
    first: int,
    last: int,
) -> None:
    for belongs_to, changes in by_day.items():
        day = int(belongs_to)
        if first <= day <= last:
            for counter, change in changes.items():
                figures[day, counter] += change


def needed(ids: Iterable[str]) -> dict[str, Any]:
    """The query for rollups by their `_id`s."""
    return {"_id": {"$in": list(dict.fromkeys(ids))}}
