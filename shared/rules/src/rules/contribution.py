"""What a patient adds to the organization's sums: changes of counters, each from an instant on.

`contribution(facts)` is a pure function; the sum of all changes known by T is the figures as of
T, by construction, for every T past or future.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import NamedTuple, TypeVar

from rules.breakpoints import dated_instants, day_figure_instants, followup_passes, state_instants
from rules.facts import Facts
from rules.figures import NOWHERE, DayFigures, Item, day_items, position_changes, position_of
from rules.instants import BEGINNING, FOREVER
from rules.settings import RuleSettings
from rules.view import View

K = TypeVar("K", bound=Hashable)

StateChanges = dict[int, dict[str, int]]
"""{instant: {counter, or several named together: change}}; see `rules.figures.apart`"""

DayChanges = dict[tuple[int, int], dict[str, int]]
"""{(instant from which it is known, local day it belongs to): {counter: change}}"""


@dataclass(slots=True)
class Contribution:
    """Changes without zeros; two contributions are equal when they add the same."""

    state: StateChanges = field(default_factory=dict)
    days: DayChanges = field(default_factory=dict)


class Earlier(NamedTuple):
    """What the same patient added by the facts known before."""

    facts: Facts
    settings: RuleSettings
    """Under others it is of no use."""
    contribution: Contribution


def contribution(
    facts: Facts,
    settings: RuleSettings,
    instants: frozenset[int] | None = None,
    earlier: Earlier | None = None,
) -> Contribution:
    """All changes that a patient adds, at every instant at which anything changes.

    `instants` are the patient's `state_instants`, for a caller who has them already. With `earlier`
    only what the difference in the facts can have changed is computed anew; the result is the same.
    """
    added = Contribution()
    if facts.contact is None:
        return added
    position = NOWHERE
    items: dict[Item, DayFigures] = {}
    before: View | None = None
    if earlier is not None and earlier.settings != settings:
        earlier = None
    since = first_difference(earlier.facts, facts) if earlier is not None else BEGINNING
    if earlier is not None and since == FOREVER:
        return earlier.contribution
    if earlier is not None and since > facts.contact.created_at:
        before = View(facts, settings, since - 1)
        position, items = position_of(before), day_items(before)
        added.state = {at: changes for at, changes in earlier.contribution.state.items() if at < since}
        added.days = {place: changes for place, changes in earlier.contribution.days.items() if place[0] < since}
    for_days = day_figure_instants(facts, settings)
    if instants is None:
        instants = state_instants(facts, settings)
    for view in _views(facts, settings, instants, before):
        new_position = position_of(view)
        if new_position != position:
            if changes := position_changes(position, new_position):
                added.state[view.as_of] = changes
            position = new_position
        if view.as_of in for_days:
            new_items = day_items(view)
            if new_items != items:
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


def first_difference(earlier: Facts, facts: Facts) -> int:
    """The first instant at which the two can look different: nothing is seen before it was created or told."""
    if earlier.contact != facts.contact:
        return BEGINNING
    return min(
        *(a.created_at for a in _differing(earlier.appointments, facts.appointments)),
        *(c.at for c in _differing(earlier.communications, facts.communications)),
        *(r.created_at for r in _differing(earlier.recalls, facts.recalls)),
        *(r.at for r in _differing(earlier.reports, facts.reports)),
        FOREVER,
        FOREVER,
    )


def _differing(some: tuple[K, ...], others: tuple[K, ...]) -> Collection[K]:
    return () if some == others else set(some).symmetric_difference(others)


def _views(
    facts: Facts, settings: RuleSettings, instants: frozenset[int], before: View | None = None
) -> Iterator[View]:
    """The views at all instants after one before in order; each is to be used before the next one is asked for."""
    assert facts.contact is not None
    first = facts.contact.created_at if before is None else before.as_of + 1
    dated = dated_instants(facts)
    pending = [int(i) for i in instants if i >= first]  # MongoDB's numbers are of a class that is slow to pass on
    if before is not None and (passes := _passes(before)) is not None:
        pending.append(passes)
    heapify(pending)
    done = first - 1
    previous = before
    while pending:
        instant = heappop(pending)
        if instant <= done:
            continue
        done = instant
        if previous is not None and instant not in dated:
            previous.move_on(instant)
            yield previous
            continue
        view = View(facts, settings, instant)
        if previous is not None:
            view.follow(previous)
        previous = view
        yield view
        if (passes := _passes(view)) is not None:
            heappush(pending, passes)


def _passes(view: View) -> int | None:
    """The instant after the view's at which its follow-up date has passed."""
    passes = followup_passes(view) if view.in_scope else None
    return passes if passes is not None and passes > view.as_of else None
