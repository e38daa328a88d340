"""What contributions add to an organization's rollups (`shared.rollups`): written by the risk engine only."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from rules.contribution import Contribution
from rules.instants import HOUR
from shared.rollups import ALL, Grain, Ladder, is_of_an_hour, month_of

Increments = dict[str, dict[str, int]]
"""{`_id` of a rollup: {field: change}}"""

K = TypeVar("K", bound=Hashable)
Changes = Mapping[K, Mapping[str, int]]


class Net:
    """What contributions that come and go together change, added up before any rung is touched."""

    def __init__(self) -> None:
        self.state: dict[int, dict[str, int]] = {}
        self.days: dict[tuple[int, int], dict[str, int]] = {}

    def replace(self, before: Contribution, after: Contribution) -> None:
        """Takes one away and adds the other; what is in both costs next to nothing."""
        if not before.state and not before.days:
            _add_all(self.state, after.state)
            _add_all(self.days, after.days)
            return
        _add_difference(self.state, before.state, after.state)
        _add_difference(self.days, before.days, after.days)

    def increments(self, ladder: Ladder, grain: Grain) -> Increments:
        """What these changes add to every rung of a ladder."""
        into: Increments = {}
        if grain == "all":
            for instant, changes in self.state.items():
                _put(into, ladder.id("s", ALL), f"i.{instant}", changes)
            for (instant, belongs_to), changes in self.days.items():
                _put(into, ladder.id("d", ALL), f"i.{instant}.{belongs_to}", changes)
            return into
        fine = grain == "hour"
        days: dict[int, dict[str, int]] = {}
        months: dict[str, dict[str, int]] = {}
        hours: dict[tuple[int, int], dict[str, int]] = {}
        for instant, changes in self.state.items():
            day = ladder.calendar.day(instant)
            _add(days, day, changes)
            if fine:
                hour = instant // HOUR
                _add(hours, (day, hour), changes)
                _put(into, ladder.id("s", day, hour), f"n.{instant}", changes)
            else:
                _put(into, ladder.id("s", day), f"i.{instant}", changes)
        for day, changes in days.items():
            month = month_of(day)
            _add(months, month, changes)
            _put(into, ladder.id("s", month), f"n.{day}", changes)
        for month, changes in months.items():
            _put(into, ladder.id("s", ALL), f"n.{month}", changes)
        for (day, hour), changes in hours.items():
            _put(into, ladder.id("s", day), f"n.{hour}", changes)
        known: dict[tuple[str, int], dict[str, int]] = {}
        for (instant, belongs_to), changes in self.days.items():
            day = ladder.calendar.day(instant)
            of_day, of_hour = ladder.id("d", day), ladder.id("d", day, instant // HOUR)
            _put(into, of_hour if fine else of_day, f"i.{instant}.{belongs_to}", changes)
            for rollup_id in (*([of_hour] if fine else []), of_day, ladder.id("d", month_of(day))):
                _add(known, (rollup_id, belongs_to), changes)
        for (rollup_id, belongs_to), changes in known.items():
            _put(into, rollup_id, f"n.{belongs_to}", changes)
        return into


def all_of(parts: Iterable[Increments]) -> Increments:
    """Several added up; the first of them is changed."""
    into: Increments = {}
    for part in parts:
        if not into:
            into = part
            continue
        for rollup_id, fields in part.items():
            _add(into, rollup_id, fields)
    return into


def of_instants(rollup_id: str, fields: Collection[str]) -> int:
    """How many of the fields that are changed in a rollup belong to single instants."""
    if is_of_an_hour(rollup_id):
        return len(fields)
    return sum(field.startswith("i.") for field in fields)


def _add(sums: dict[K, dict[str, int]], place: K, changes: Mapping[str, int]) -> None:
    found = sums.get(place)
    if found is None:
        sums[place] = dict(changes)
        return
    for counter, change in changes.items():
        found[counter] = found.get(counter, 0) + change


def _put(into: Increments, rollup_id: str, place: str, changes: Mapping[str, int]) -> None:
    fields = into.get(rollup_id)
    if fields is None:
        fields = into[rollup_id] = {}
    for counter, change in changes.items():
        if change:
            fields[f"{place}.{counter}"] = change


def _add_all(into: dict[K, dict[str, int]], added: Changes[K]) -> None:
    for place, changes in added.items():
        _add(into, place, changes)


def _add_difference(into: dict[K, dict[str, int]], before: Changes[K], after: Changes[K]) -> None:
    for sign, ours, theirs in ((-1, before, after), (1, after, before)):
        for place, changes in ours.items():
            if theirs.get(place) == changes:
                continue
            sums = into.setdefault(place, {})
            for counter, change in changes.items():
                sums[counter] = sums.get(counter, 0) + sign * change
