"""What a patient adds to the organization's sums: changes of counters, each from an instant on.

`contribution(facts)` is a pure function; the sum of all changes known by T is the figures as of
T, by construction, for every T past or future.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import TypeVar

from rules.breakpoints import dated_instants, day_figure_instants, followup_passes, state_instants
from rules.facts import Facts
from rules.figures import DayFigures, Item, day_items, state_figures
from rules.settings import RuleSettings
from rules.view import View

K = TypeVar("K", bound=Hashable)

StateChanges = dict[int, dict[str, int]]
"""{instant: {counter: change}}"""

DayChanges = dict[tuple[int, int], dict[str, int]]
"""{(instant from which it is known, local day it belongs to): {counter: change}}"""


@dataclass(slots=True)
class Contribution:
    """Changes without zeros; two contributions are equal when they add the same."""

    state: StateChanges = field(default_factory=dict)
    days: DayChanges = field(default_factory=dict)


def contribution(facts: Facts, settings: RuleSettings, instants: frozenset[int] | None = None) -> Contribution:
    """All changes that a patient adds, at every instant at which anything changes.

    `instants` are the patient's `state_instants`, for a caller who has them already.
    """
    added = Contribution()
    if facts.contact is None:
        return added
    state: dict[str, int] = {}
    items: dict[Item, DayFigures] = {}
    for_days = day_figure_instants(facts, settings)
    for view in _views(facts, settings, state_instants(facts, settings) if instants is None else instants):
        new_state = state_figures(view)
        if new_state != state:
            added.state[view.as_of] = _difference(new_state, state)
            state = new_state
        if view.as_of in for_days:
            new_items = day_items(view)
            _add_changes(added.days, view.as_of, items, new_items)
            items = new_items
    return added


def _add_changes(
    days: DayChanges, instant: int, items: Mapping[Item, DayFigures], new_items: Mapping[Item, DayFigures]
) -> None:
    changed: dict[tuple[int, str], int] = {}
    for sign, ours, theirs in ((1, new_items, items), (-1, items, new_items)):
        for item, figures in ours.items():
            if theirs.get(item) != figures:
                for key, count in figures:
                    changed[key] = changed.get(key, 0) + sign * count
    for (day, name), change in changed.items():
        if change:
            days.setdefault((instant, day), {})[name] = change


def _views(facts: Facts, settings: RuleSettings, instants: frozenset[int]) -> Iterator[View]:
    """The views at all instants in order; each is to be used before the next one is asked for."""
    assert facts.contact is not None
    first = facts.contact.created_at
    dated = dated_instants(facts)
    pending = [int(i) for i in instants if i >= first]  # MongoDB's numbers are of a class that is slow to pass on
    heapify(pending)
    done = first - 1
    previous: View | None = None
    while pending:
        instant = heappop(pending)
        if instant <= done:
            continue
        done = instant
        if previous is None or instant in dated:
            view = View(facts, settings, instant)
            if previous is not None:
                view.follow(previous)
        else:
            view = previous
            view.move_on(instant)
        previous = view
        yield view
        passes = followup_passes(view) if view.in_scope else None
        if passes is not None and passes > instant:
            heappush(pending, passes)


def _difference(new: Mapping[K, int], old: Mapping[K, int]) -> dict[K, int]:
    changes = {name: count - old.get(name, 0) for name, count in new.items() if count != old.get(name, 0)}
    for name, count in old.items():
        if count and name not in new:
            changes[name] = -count
    return changes
