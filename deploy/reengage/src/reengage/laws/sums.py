"""The law of the sums: every bucket of every rung is the sum of what the patients add. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from reengage.laws.findings import DAYS, SUMS, Violation, first_difference, violation
from rules.calendar import Calendar, day_text
from rules.figures import apart
from rules.instants import HOUR
from shared.rollups import Ladder, Rollups, month_of

Buckets = dict[str, Counter[str]]


class Expected:
    """What all contributions add up to, for every rung of both ladders.

    The buckets are filled from the contributions alone, not by the code that increments them.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.buckets: dict[str, dict[str, Any]] = defaultdict(lambda: {"n": defaultdict(Counter)})
        self.state: dict[int, Counter[str]] = defaultdict(Counter)
        self.days: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        self._state: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        self._days: dict[tuple[int, int, str], Counter[str]] = defaultdict(Counter)

    def add(self, contributed: Mapping[str, Any]) -> None:
        """One patient's stored contribution."""
        grain = contributed["grain"]
        for instant, changes in contributed["state"]:
            _add(self._state[instant, grain], changes)
        for instant, day, changes in contributed["days"]:
            _add(self._days[instant, day, grain], changes)

    def fill(self) -> None:
        """Once all are added: the buckets."""
        for (instant, grain), changes in self._state.items():
            counters = apart(changes)
            _add(self.state[instant], counters)
            if grain == "all":
                _add(self._instants("s|")[str(instant)], changes)
                continue
            month, day, hour = self._rungs(instant)
            _add(self.buckets["s|"]["n"][month], counters)
            _add(self.buckets[f"s|{month}"]["n"][str(day)], counters)
            if grain == "hour":
                _add(self.buckets[f"s|{day}"]["n"][str(hour)], counters)
                _add(self.buckets[f"s|{day}|{hour}"]["n"][str(instant)], changes)
            else:
                _add(self._instants(f"s|{day}")[str(instant)], changes)
        for (instant, belongs_to, grain), changes in self._days.items():
            _add(self.days[instant, belongs_to], changes)
            month, day, hour = self._rungs(instant)
            rungs = [] if grain == "all" else [f"d|{month}", f"d|{day}"]
            if grain == "hour":
                rungs.append(f"d|{day}|{hour}")
            for name in rungs:
                _add(self.buckets[name]["n"][str(belongs_to)], changes)
            of_instant = self._instants(rungs[-1] if rungs else "d|").setdefault(str(instant), defaultdict(Counter))
            _add(of_instant[str(belongs_to)], changes)

    def _instants(self, name: str) -> dict[str, Any]:
        instants: dict[str, Any] = self.buckets[name].setdefault("i", defaultdict(Counter))
        return instants

    def _rungs(self, instant: int) -> tuple[str, int, int]:
        day = self._calendar.day(instant)
        return month_of(day), day, instant // HOUR


def _add(into: Counter[str], changes: Mapping[str, int]) -> None:
    for counter, change in changes.items():
        into[counter] += change


def _sum(several: Iterable[Mapping[str, int]]) -> Counter[str]:
    figures: Counter[str] = Counter()
    for changes in several:
        _add(figures, changes)
    return figures


def check_bucket(name: str, expected: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Violation]:
    """What differs in one rollup; `name` is its `_id` behind the scope."""
    found = []
    for part in ("n", "i"):
        wanted, held = _without_zeros(expected.get(part, {})), _without_zeros(stored.get(part, {}))
        if wanted != held:
            at = first_difference(wanted, held)
            found.append(violation(SUMS, rollup=name, bucket=at, expected=wanted.get(at, {}), actual=held.get(at, {})))
    return found


def _without_zeros(value: Mapping[str, Any]) -> dict[str, Any]:
    """Counters that are zero, and buckets that hold nothing else, count as absent."""
    kept = {name: _without_zeros(inner) if isinstance(inner, Mapping) else inner for name, inner in value.items()}
    return {name: inner for name, inner in kept.items() if inner}


def check_days(
    expected: Expected, ladder: Ladder, rollups: Rollups, calendar: Calendar, days: list[int]
) -> list[Violation]:
    """Whether a day's figures are the sum of all that was known by its end, by each way of reading."""
    found = []
    first, last = min(days), max(days)
    changes = list(ladder.changes(rollups, first, calendar.end(last)))
    for day in days:
        end = calendar.end(day)
        wanted = _sum(changed for instant, changed in expected.state.items() if instant <= end)
        row = _sum(changed for known_on, changed in changes if known_on <= day)
        readings = {"trends": row, "risk-metrics": ladder.state(rollups, end)}
        found += [
            violation(DAYS, day=day_text(day), reading=reading, expected=_nonzero(wanted), actual=_nonzero(figures))
            for reading, figures in readings.items()
            if _nonzero(figures) != _nonzero(wanted)
        ]
    end = calendar.end(last)
    known: Counter[tuple[int, str]] = Counter()
    for (instant, day), of_day in expected.days.items():
        if instant <= end and first <= day <= last:
            for counter, change in of_day.items():
                known[day, counter] += change
    read = ladder.days(rollups, first, last, end)
    if _nonzero(read) != _nonzero(known):
        day, counter = first_difference(_nonzero(known), _nonzero(read))
        found.append(
            violation(DAYS, day=day_text(day), reading=counter, expected=known[day, counter], actual=read[day, counter])
        )
    return found


def _nonzero(figures: Mapping[Any, int]) -> dict[Any, int]:
    return {name: count for name, count in figures.items() if count}
