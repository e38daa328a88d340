"""Every answer is a step function: sums at any instant, and assessments between two instants."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from rules.assess import Assessment, assess
from rules.breakpoints import dated_instants, state_instants
from rules.contribution import Earlier, contribution
from rules.facts import Appointment, Facts
from rules.figures import apart, day_figures, state_figures
from rules.instants import DAY
from rules.merging import sorted_facts
from rules.outreach import SILENCE_IS_FAILURE_AFTER
from rules.settings import RuleSettings, rule_settings
from rules.view import View
from support.clinic_facts import clinic_facts
from support.clinics import random_clinic

END = date(2025, 11, 30)
SEEDS = range(2_000, 2_012)


def _clinic(seed: int) -> tuple[list[Facts], RuleSettings]:
    clinic = random_clinic(seed, patients=8, end=END)
    return list(clinic_facts(clinic.cliniko, clinic.outreach).values()), rule_settings(clinic.settings)


def _instants(facts: Facts, settings: RuleSettings, rng: random.Random, count: int) -> list[int]:
    """On, just before and just after what happened, and anywhere."""
    happened = sorted(state_instants(facts, settings))
    chosen = [rng.choice(happened) + rng.choice((-1, 0, 1)) for _ in range(count)]
    return chosen + [rng.randrange(happened[0] - DAY, happened[-1] + 400 * DAY) for _ in range(count)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sum_of_changes_known_by_an_instant_is_the_figures_as_of_it(seed: int) -> None:
    rng = random.Random(seed)
    patients, settings = _clinic(seed)
    for facts in patients:
        added = contribution(facts, settings)
        for as_of in _instants(facts, settings, rng, 12):
            view = View(facts, settings, as_of)
            state: Counter[str] = Counter()
            for at, changes in added.state.items():
                if at <= as_of:
                    state.update(apart(changes))
            assert {k: v for k, v in state.items() if v} == state_figures(view)
            days: Counter[tuple[int, str]] = Counter()
            for (at, day), changes in added.days.items():
                if at <= as_of:
                    days.update({(day, name): change for name, change in changes.items()})
            expected = day_figures(view)
            assert {k: v for k, v in days.items() if v} == {k: v for k, v in expected.items() if v}


def _before(facts: Facts, rng: random.Random) -> Facts:
    """The facts as they may have been known before: some missing, others otherwise."""

    def fewer(some: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
        kept = [one if rng.random() < 0.85 else change(one) for one in some if rng.random() < 0.85]
        return tuple(sorted(kept))

    def other_appointment(one: Appointment) -> Appointment:
        return rng.choice(
            (
                one._replace(starts_at=one.starts_at + rng.randrange(-9, 9) * DAY),
                one._replace(created_at=one.created_at - rng.randrange(9) * DAY),
                one._replace(cancelled_at=one.created_at + DAY),
                one._replace(missed=not one.missed),
                one._replace(known_from=one.starts_at),
            )
        )

    contact = facts.contact
    if contact is not None and rng.random() < 0.1:
        contact = contact._replace(gone_at=contact.created_at + 50 * DAY)
    before = facts._replace(
        contact=contact,
        appointments=fewer(facts.appointments, other_appointment),
        communications=fewer(facts.communications, lambda c: c._replace(at=c.at - DAY)),
        recalls=fewer(facts.recalls, lambda r: r._replace(due_on=r.due_on + 3)),
        reports=fewer(facts.reports, lambda r: r._replace(at=r.at + DAY)),
    )
    return sorted_facts(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_known_before_spares_work_and_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    patients, settings = _clinic(seed)
    for facts in patients:
        wanted = contribution(facts, settings)
        for _ in range(6):
            before = _before(facts, rng)
            earlier = Earlier(before, settings, contribution(before, settings))
            assert contribution(facts, settings, earlier=earlier) == wanted
        newest = max(facts.appointments, default=None, key=lambda a: a.created_at)
        if newest is not None:
            without = facts._replace(appointments=tuple(a for a in facts.appointments if a is not newest))
            earlier = Earlier(without, settings, contribution(without, settings))
            assert contribution(facts, settings, earlier=earlier) == wanted
        assert contribution(facts, settings, earlier=Earlier(facts, settings, wanted)) is wanted
        others = settings._replace(active_window_days=settings.active_window_days + 40, require_arrival_mark=True)
        by_others = Earlier(facts, others, contribution(facts, others))
        assert contribution(facts, settings, earlier=by_others) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_an_assessment_stands_from_its_first_to_its_last_instant(seed: int) -> None:
    rng = random.Random(seed)
    patients, settings = _clinic(seed)
    for facts in patients:
        for as_of in _instants(facts, settings, rng, 8):
            assessed = assess(facts, settings, as_of)
            if assessed is None:
                continue
            assert assessed.valid_from <= as_of < assessed.valid_until
            last = min(assessed.valid_until - 1, as_of + 3_000 * DAY)
            for other in (assessed.valid_from, last, rng.randint(assessed.valid_from, last)):
                assert _lasting(assess(facts, settings, other)) == _lasting(assessed)


def _lasting(assessed: Assessment | None) -> object:
    """All of it but the interval."""
    if assessed is None:
        return None
    parts = list(assessed.parts)
    fields = (assessed.patient_class, assessed.risk_score, assessed.counted_from_day, assessed.next_action_day)
    lists = (assessed.last_attended_day, assessed.active, assessed.with_appointments)
    return (parts, fields, lists, assessed.row, assessed.history)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_score_never_falls_while_nothing_happens(seed: int) -> None:
    patients, settings = _clinic(seed)
    for facts in patients:
        happened = dated_instants(facts) - {r.at + SILENCE_IS_FAILURE_AFTER for r in facts.reports}
        quiet = max(happened)
        scores = [
            assessed.risk_score
            for days in range(0, 220, 3)
            if (assessed := assess(facts, settings, quiet + days * DAY)) is not None
        ]
        assert scores == sorted(scores)
