"""What a patient adds to the organization's sums: changes of counters, each from an instant on.

`contribution(facts)` is a pure function; the sum of all changes known by T is the figures as of
T, by construction, for every T past or future.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import TypeVar

from rules.breakpoints import day_figure_instants, followup_passes, state_instants
from rules.facts import Facts
from rules.figures import NEW_AT_RISK, new_at_risk_days, outreach_figures, state_figures
from rules.settings import RuleSettings
from rules.view import View

K = TypeVar("K", bound=Hashable)

StateChanges = dict[int, dict[str, int]]
"""{instant: {counter: change}}"""

DayChanges = dict[tuple[int, int], dict[str, int]]
"""{(instant from which it is known, local day it belongs to): {counter: change}}"""


Figures = dict[str, int]
DayFigures = dict[tuple[int, str], int]


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
    state: Figures = {}
    days: DayFigures = {}
    for_days = day_figure_instants(facts, settings)
    for view in _views(facts, settings, state_instants(facts, settings) if instants is None else instants):
        new_state = state_figures(view)
        if new_state != state:
            added.state[view.as_of] = _difference(new_state, state)
            state = new_state
        if view.as_of not in for_days:
            continue
        new_days = _day_figures(view)
        if new_days != days:
            for (day, name), change in _difference(new_days, days).items():
                added.days.setdefault((view.as_of, day), {})[name] = change
            days = new_days
    return added


def _views(facts: Facts, settings: RuleSettings, instants: frozenset[int]) -> Iterator[View]:
    assert facts.contact is not None
    first = facts.contact.created_at
    pending = [i for i in instants if i >= first]
    heapify(pending)
    done = first - 1
    while pending:
        instant = heappop(pending)
        if instant <= done:
            continue
        done = instant
        view = View(facts, settings, instant)
        yield view
        passes = followup_passes(view) if view.in_scope else None
        if passes is not None and passes > instant:
            heappush(pending, passes)


def _day_figures(view: View) -> DayFigures:
    figures: DayFigures = dict(outreach_figures(view)) if view.facts.reports else {}
    for day in new_at_risk_days(view):
        figures[day, NEW_AT_RISK] = 1
    return figures


def _difference(new: Mapping[K, int], old: Mapping[K, int]) -> dict[K, int]:
    names = new.keys() | old.keys()
    changes = {name: new.get(name, 0) - old.get(name, 0) for name in names}
    return {name: change for name, change in changes.items() if change}
