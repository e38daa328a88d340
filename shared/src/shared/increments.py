"""What contributions add to an organization's rollups (`shared.rollups`): written by the risk engine only."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from rules.contribution import Contribution
from rules.figures import apart
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
        if grain == "all":
            return {
                ladder.id("s", ALL): _fields((f"i.{instant}", changes) for instant, changes in self.state.items()),
                ladder.id("d", ALL): _fields(
                    (f"i.{instant}.{belongs_to}", changes) for (instant, belongs_to), changes in self.days.items()
                ),
            }
        into: Increments = {}
        self._add_state(into, ladder, fine=grain == "hour")
        self._add_days(into, ladder, fine=grain == "hour")
        return into

    def _add_state(self, into: Increments, ladder: Ladder, *, fine: bool) -> None:
        day_of = ladder.calendar.day
        instants: dict[int, list[tuple[int, Mapping[str, int]]]] = {}
        for instant, changes in self.state.items():
            instants.setdefault(day_of(instant), []).append((instant, changes))
        months: dict[str, dict[str, int]] = {}
        for day, of_day in instants.items():
            if fine:
                into |= _hours(of_day, ladder, day)
            else:
                into[ladder.id("s", day)] = _fields((f"i.{instant}", changes) for instant, changes in of_day)
            sums = apart(_sum(changes for _, changes in of_day))
            month = month_of(day)
            _put(into.setdefault(ladder.id("s", month), {}), f"n.{day}", sums)
            _add(months, month, sums)
        into[ladder.id("s", ALL)] = _fields((f"n.{month}", changes) for month, changes in months.items())

    def _add_days(self, into: Increments, ladder: Ladder, *, fine: bool) -> None:
        day_of = ladder.calendar.day
        known: dict[tuple[str, int], dict[str, int]] = {}
        for (instant, belongs_to), changes in self.days.items():
            day = day_of(instant)
            rungs = [ladder.id("d", month_of(day)), ladder.id("d", day)]
            if fine:
                rungs.append(ladder.id("d", day, instant // HOUR))
            _put(into.setdefault(rungs[-1], {}), f"i.{instant}.{belongs_to}", changes)
            for rollup_id in rungs:
                _add(known, (rollup_id, belongs_to), changes)
        for (rollup_id, belongs_to), changes in known.items():
            _put(into.setdefault(rollup_id, {}), f"n.{belongs_to}", changes)


def _hours(of_day: Iterable[tuple[int, Mapping[str, int]]], ladder: Ladder, day: int) -> Increments:
    """The rungs of a day of which the single instants lie with their hours."""
    hours: dict[int, list[tuple[int, Mapping[str, int]]]] = {}
    for instant, changes in of_day:
        hours.setdefault(instant // HOUR, []).append((instant, changes))
    into = {
        ladder.id("s", day, hour): _fields((f"n.{instant}", changes) for instant, changes in of_hour)
        for hour, of_hour in hours.items()
    }
    into[ladder.id("s", day)] = _fields(
        (f"n.{hour}", apart(_sum(changes for _, changes in of_hour))) for hour, of_hour in hours.items()
    )
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
    return sum(1 for field in fields if field[0] == "i")


def _add(sums: dict[K, dict[str, int]], place: K, changes: Mapping[str, int]) -> None:
    found = sums.get(place)
    if found is None:
        sums[place] = dict(changes)
        return
    for counter, change in changes.items():
        found[counter] = found.get(counter, 0) + change


def _sum(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for changes in several:
        for counter, change in changes.items():
            sums[counter] = sums.get(counter, 0) + change
    return sums


def _fields(placed: Iterable[tuple[str, Mapping[str, int]]]) -> dict[str, int]:
    fields: dict[str, int] = {}
    for place, changes in placed:
        _put(fields, place, changes)
    return fields


def _put(fields: dict[str, int], place: str, changes: Mapping[str, int]) -> None:
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
