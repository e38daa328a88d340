"""A merge: from its instant on all facts of the merged patient are the survivor's."""

from collections.abc import Iterable
from typing import TypeVar

from rules.facts import Appointment, Communication, Facts, Recall, Report, Treatment

Fact = TypeVar("Fact", Appointment, Communication, Recall, Report, Treatment)


def with_absorbed(own: Facts, absorbed: Iterable[tuple[int, Facts]]) -> Facts:
    """The survivor's facts, with those of the patients merged into it: (merged_at, facts)."""
    others = list(absorbed)
    if not others:
        return own
    return sorted_facts(
        own._replace(
            appointments=own.appointments + tuple(a for at, facts in others for a in _from(at, facts.appointments)),
            communications=own.communications
            + tuple(c for at, facts in others for c in _from(at, facts.communications)),
            recalls=own.recalls + tuple(r for at, facts in others for r in _from(at, facts.recalls)),
            reports=own.reports + tuple(r for at, facts in others for r in _from(at, facts.reports)),
            treatments=own.treatments + tuple(t for at, facts in others for t in _from(at, facts.treatments)),
        )
    )


def sorted_facts(facts: Facts) -> Facts:
    """The same facts in the order that the rules expect, whatever order they came in."""
    return facts._replace(
        appointments=tuple(sorted(facts.appointments, key=lambda a: (a.starts_at, a.order))),
        communications=tuple(sorted(facts.communications, key=lambda c: (c.at, c.id))),
        recalls=tuple(sorted(facts.recalls, key=lambda r: (r.due_on, r.id))),
        reports=tuple(sorted(facts.reports, key=lambda r: (r.at, r.source, r.event_id))),
        treatments=tuple(sorted(facts.treatments, key=lambda t: (t.at, t.source, t.event_id))),
    )


def _from(merged_at: int, facts: Iterable[Fact]) -> Iterable[Fact]:
    return (fact._replace(known_from=max(fact.known_from, merged_at)) for fact in facts)
