"""How an organization's sums lie in MongoDB: ladders of buckets, months down to instants.

A change that is known from an instant on is added to every rung of its ladder, so that a read as
of any T touches one small document per rung: whole months before T's month, whole days before
T's day, whole hours before T's hour, and the single instants of that hour. Buckets are local
days; hours are counted in UTC, so a rung never depends on how long a local hour is.

Where the single instants lie is a contribution's `grain`: all together in an organization of a few
patients; with their day in a small one, which is a sixth of the documents to write; in a large one,
where such documents would be large, too, with their hour. Each contribution says which way it was
added, and is taken back the same way; all are read.

Documents of `risk_engine.rollups`, `_id` "ORG|GENERATION|LADDER|BUCKET" (`s` state figures, which
sum over all instants up to T; `d` day figures, which also name the local day they belong to):

    s|            n: {month: {counter: n}}                    the months' changes
                  i: {instant: {counter: n}}                  of grain `all`, which is nowhere else
    s|month       n: {day: {counter: n}}
    s|day         n: {hour: {counter: n}}                     of grain `hour`
                  i: {instant: {counter: n}}                  of grain `day`
    s|day|hour    n: {instant: {counter: n}}                  of grain `hour`
    d|            i: {instant: {day it belongs to: {counter: n}}}  of grain `all`, which is nowhere else
    d|month       n: {day it belongs to: {counter: n}}        all changes known in that month
    d|day         n: likewise;  i: {instant: {day it belongs to: {counter: n}}}  of grain `day`
    d|day|hour    n: likewise;  i: {instant: {day it belongs to: {counter: n}}}  both of grain `hour`

A state figure's changes of single instants (all `i` of `s`, and `n` of `s|day|hour`) are named together where they are
made together (`rules.figures.apart`); all other sums are of single counters.

One that has become large is continued on pages: documents like it with an `_id` of their own and `page_of`, the `_id` of
the rollup. All pages of a rollup are added up (`whole`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Literal

from rules.calendar import Calendar
from rules.figures import apart
from rules.instants import HOUR

ROLLUPS = "rollups"

Rollups = Mapping[str, Mapping[str, Any]]
"""Documents by `_id`."""

ALL = ""
HOUR_BARS = 4
"""Bars in "ORG|GENERATION|LADDER|DAY|HOUR"; other `_id`s have fewer."""

Grain = Literal["all", "day", "hour"]
"""With what the single instants of a contribution lie."""

FEW, MANY = 32, 10_000
"""Patients of an organization up to which all instants lie together, and from which on with their hours."""


def grain_for(patients: int) -> Grain:
    """How contributions are added in an organization of so many patients."""
    return "all" if patients <= FEW else "day" if patients < MANY else "hour"


def scope(organization_id: str, generation: int) -> str:
    """What all `_id`s of one generation of an organization's documents begin with."""
    return f"{organization_id}|{generation}"


def scope_of(rollup_id: str) -> str:
    """The scope of a rollup, from its `_id`."""
    return "|".join(rollup_id.split("|", 2)[:2])


def is_of_an_hour(rollup_id: str) -> bool:
    """Whether a rollup is that of an hour, from its `_id`."""
    return rollup_id.count("|") == HOUR_BARS


def within(of_scope: str) -> dict[str, Any]:
    """The query for all documents of a scope, by their `_id`s."""
    return {"_id": {"$gt": f"{of_scope}|", "$lt": f"{of_scope}}}"}}


class Ladder:
    """One generation's rollups: their `_id`s, and what they say.

    `calendar` is of the organization's local days.
    """

    def __init__(self, organization_id: str, generation: int, calendar: Calendar) -> None:
        self._scope = scope(organization_id, generation)
        self.calendar = calendar

    def id(self, kind: str, *bucket: object) -> str:
        """The `_id` of a bucket."""
        return "|".join((self._scope, kind, *map(str, bucket)))

    def _rungs(self, instant: int) -> tuple[str, int, int]:
        day = self.calendar.day(instant)
        return month_of(day), day, instant // HOUR

    def under_way(self, as_of: int) -> set[str]:
        """Rollups of which an instant takes only a part, so whose single instants count."""
        _, day, hour = self._rungs(as_of)
        ids = {self.id("s", ALL), self.id("d", ALL)}
        if as_of != self.calendar.end(day):
            ids |= {self.id("s", day), self.id("d", day), self.id("d", day, hour)}
        return ids

    def state_ids(self, as_of: int) -> list[str]:
        """Rollups that `state` needs for an instant."""
        return self.changes_ids(self.calendar.day(as_of), as_of)

    def state(self, rollups: Rollups, as_of: int) -> Counter[str]:
        """The organization's state figures as of an instant."""
        figures: Counter[str] = Counter()
        for _, changes in self.changes(rollups, self.calendar.day(as_of), as_of):
            figures.update(changes)
        return figures

    def changes_ids(self, first: int, as_of: int) -> list[str]:
        """Rollups that `changes` needs from a local day on."""
        _, day, hour = self._rungs(as_of)
        ids = [self.id("s", ALL), *(self.id("s", m) for m in months(first, day))]
        if as_of != self.calendar.end(day):
            ids += [self.id("s", day), self.id("s", day, hour)]
        return ids

    def changes(self, rollups: Rollups, first: int, as_of: int) -> Iterator[tuple[int, Mapping[str, int]]]:
        """All changes of state figures up to an instant, in no order: (local day, {counter: change}).

        Those of before local day `first`, which is not after the instant's, come as of that day. So what all changes up to a day
        add up to is the organization's state at that day's end; for the last day, at the instant.
        """
        day = self.calendar.day(as_of)
        ended = as_of == self.calendar.end(day)
        of_all = rollups.get(self.id("s", ALL), {})
        for m, changes in of_all.get("n", {}).items():
            if m < month_of(first):
                yield first, changes
        for instant, changes in of_all.get("i", {}).items():
            if int(instant) <= as_of:
                yield max(first, self.calendar.day(int(instant))), apart(changes)
        for m in months(first, day):
            for text, changes in rollups.get(self.id("s", m), {}).get("n", {}).items():
                if int(text) < day + ended:
                    yield max(first, int(text)), changes
        if not ended:
            for changes in self._changes_of_day(rollups, as_of):
                yield day, changes

    def _changes_of_day(self, rollups: Rollups, as_of: int) -> Iterator[Mapping[str, int]]:
        """Those of the day that is under way at an instant, up to it."""
        _, day, hour = self._rungs(as_of)
        of_day = rollups.get(self.id("s", day), {})
        for text, changes in of_day.get("n", {}).items():
            if int(text) < hour:
                yield changes
        of_hour = rollups.get(self.id("s", day, hour), {})
        for instant, changes in (*of_day.get("i", {}).items(), *of_hour.get("n", {}).items()):
            if int(instant) <= as_of:
                yield apart(changes)

    def days_ids(self, first: int, as_of: int) -> list[str]:
        """Rollups that `days` needs: nothing about a day is known before it begins."""
        _, day, hour = self._rungs(as_of)
        hours: range = range(0)
        if as_of != self.calendar.end(day):
            hours = range(self.calendar.start(day) // HOUR, hour + 1)
        return [
            self.id("d", ALL),
            *(self.id("d", m) for m in months(first, day)[:-1]),
            *(self.id("d", d) for d in range(max(first, first_of_month(day)), day + 1)),
            *(self.id("d", day, h) for h in hours if first <= day),
        ]

    def days(self, rollups: Rollups, first: int, last: int, as_of: int) -> Counter[tuple[int, str]]:
        """The day figures of local days first..last as known at an instant."""
        figures: Counter[tuple[int, str]] = Counter()
        under_way = self.under_way(as_of)
        for rollup_id in self.days_ids(first, as_of):
            rollup = rollups.get(rollup_id)
            if rollup is None:
                continue
            if rollup_id not in under_way:
                _add_days(figures, rollup.get("n", {}), first, last)
                continue
            for instant, by_day in rollup.get("i", {}).items():
                if int(instant) <= as_of:
                    _add_days(figures, by_day, first, last)
        return figures


@lru_cache(maxsize=100_000)
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
    """The query for rollups by their `_id`s, with all their pages."""
    wanted = {"$in": list(dict.fromkeys(ids))}
    return {"$or": [{"_id": wanted}, {"page_of": wanted}]}


def parts(under_way: Collection[str]) -> dict[str, Any]:
    """The projection of rollups without what a read does not need: single instants of those that are not under way."""
    rollup = {"$ifNull": ["$page_of", "$_id"]}
    return {"page_of": 1, "n": 1, "i": {"$cond": [{"$in": [rollup, list(under_way)]}, "$i", "$$REMOVE"]}}


def whole(documents: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Rollups by `_id`, the pages of each added up."""
    pages: dict[str, list[Mapping[str, Any]]] = {}
    for document in documents:
        pages.setdefault(document.get("page_of", document["_id"]), []).append(document)
    return {rollup: of[0] if len(of) == 1 else _added_up(of) for rollup, of in pages.items()}


def _added_up(pages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for page in pages:
        for part in ("n", "i"):
            _add_to(sums.setdefault(part, {}), page.get(part, {}))
    return sums


def _add_to(sums: dict[str, Any], numbers: Mapping[str, Any]) -> None:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            _add_to(sums.setdefault(name, {}), value)
        else:
            sums[name] = sums.get(name, 0) + value
