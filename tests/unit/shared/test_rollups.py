"""Reading a few small documents gives what adding up every change would give, at any instant."""

import copy
import random
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

import pytest

from rules.breakpoints import state_instants
from rules.contribution import Contribution, contribution
from rules.figures import apart
from rules.instants import DAY
from rules.settings import rule_settings
from shared.increments import Increments, Net
from shared.rollups import Grain, Ladder, months, whole
from support.clinic_facts import clinic_facts
from support.clinics import random_clinic

END = date(2025, 11, 30)
ZONES = ("America/Havana", "Asia/Kathmandu", "Pacific/Apia", "Europe/London")


def _stored(*increments: Increments) -> dict[str, dict[str, Any]]:
    """The documents as MongoDB makes them of `$inc`."""
    documents: dict[str, dict[str, Any]] = {}
    for rollup_id, fields in (one for some in increments for one in some.items()):
        for path, change in fields.items():
            *parents, name = path.split(".")
            place = documents.setdefault(rollup_id, {})
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = place.get(name, 0) + change
    return documents


@pytest.mark.parametrize("grains", [("all",), ("day",), ("hour",), ("all", "day", "hour")])
@pytest.mark.parametrize("zone", ZONES)
def test_every_read_is_the_sum_of_all_changes(zone: str, grains: tuple[Grain, ...]) -> None:
    rng = random.Random(zone)
    clinic = random_clinic(77, patients=12, end=END, time_zone=zone)
    settings = rule_settings(clinic.settings)
    patients = list(clinic_facts(clinic.cliniko, clinic.outreach).values())
    added = [contribution(facts, settings) for facts in patients]
    ladder = Ladder("org.with|odd", 3, settings.calendar)
    nets = {grain: Net() for grain in grains}
    for number, one in enumerate(added):
        nets[grains[number % len(grains)]].replace(Contribution(), one)
    documents = _stored(*(net.increments(ladder, grain) for grain, net in nets.items()))
    instants = sorted(set().union(*(state_instants(f, settings) for f in patients)))
    some = [rng.choice(instants) + rng.choice((-1, 0, 1)) for _ in range(40)]
    some += [settings.calendar.end(settings.calendar.day(i)) for i in some[:10]]
    for as_of in some:
        under_way = ladder.under_way(as_of)
        found = _read(documents, ladder.state_ids(as_of), under_way)
        assert _nonzero(ladder.state(found, as_of)) == _nonzero(_state(added, as_of))
        last = settings.calendar.day(as_of)
        first = last - rng.choice((0, 6, 29, 364))
        found = _read(documents, ladder.days_ids(first, as_of), under_way)
        assert _nonzero(ladder.days(found, first, last, as_of)) == _nonzero(_days(added, first, last, as_of))
        found = _read(documents, ladder.changes_ids(first, as_of), under_way)
        changes = list(ladder.changes(found, first, as_of))
        assert all(first <= day <= last for day, _ in changes)
        for day in {first, rng.randint(first, last), last}:
            until = as_of if day == last else settings.calendar.end(day)
            assert _nonzero(_up_to(changes, day)) == _nonzero(_state(added, until))


@pytest.mark.parametrize("grain", get_args(Grain))
def test_pages_say_together_what_one_rollup_said(grain: Grain) -> None:
    rng = random.Random(grain)
    clinic = random_clinic(79, patients=8, end=END)
    settings = rule_settings(clinic.settings)
    ladder = Ladder("org", 1, settings.calendar)
    net = Net()
    for facts in clinic_facts(clinic.cliniko, clinic.outreach).values():
        net.replace(Contribution(), contribution(facts, settings))
    increments = net.increments(ladder, grain)
    pages: list[dict[str, Any]] = []
    for number in range(3):
        some = {i: {f: rng.randrange(-2, 3) for f in fields if rng.random() < 0.5} for i, fields in increments.items()}
        pages += [{"_id": f"{i}#{number}", "page_of": i, **page} for i, page in _stored(some).items()]
        for rollup_id, fields in some.items():
            for field, change in fields.items():
                increments[rollup_id][field] -= change
    pages += [{"_id": i, **page} for i, page in _stored(increments).items()]
    rng.shuffle(pages)
    kept = copy.deepcopy(pages)
    assert _parts(whole(pages)) == _parts(_stored(net.increments(ladder, grain)))
    assert pages == kept


def _parts(rollups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {i: {part: rollup[part] for part in ("n", "i") if rollup.get(part)} for i, rollup in rollups.items()}


def test_replacing_contributions_leaves_the_sum_of_the_new_ones() -> None:
    clinic = random_clinic(78, patients=6, end=END)
    settings = rule_settings(clinic.settings)
    ladder = Ladder("org", 1, settings.calendar)
    facts = list(clinic_facts(clinic.cliniko, clinic.outreach).values())
    old = [contribution(f, settings) for f in facts]
    new = [contribution(f._replace(appointments=f.appointments[1:]), settings) for f in facts]
    stepwise, at_once = Net(), Net()
    for before, after in zip(old, new, strict=True):
        stepwise.replace(Contribution(), before)
        stepwise.replace(before, after)
        at_once.replace(Contribution(), after)
    for grain in get_args(Grain):
        ours, wanted = stepwise.increments(ladder, grain), at_once.increments(ladder, grain)
        assert _without_zeros(ours) == _without_zeros(wanted)


def _without_zeros(increments: Increments) -> dict[str, dict[str, int]]:
    found = {i: {f: change for f, change in fields.items() if change} for i, fields in increments.items()}
    return {i: fields for i, fields in found.items() if fields}


def test_a_year_is_read_from_a_few_documents() -> None:
    ladder = Ladder("org", 1, rule_settings({"time_zone": "UTC"}).calendar)
    as_of = 20_000 * DAY + DAY // 2
    assert len(ladder.state_ids(as_of)) == 4
    today = ladder.calendar.day(as_of)
    assert len(ladder.days_ids(today - 729, as_of)) <= 24 + 31 + 24 + 1
    end = ladder.calendar.end(today)
    assert len(ladder.state_ids(end)) == 2
    assert len(ladder.days_ids(today - 729, end)) <= 24 + 31 + 1


def test_months_follow_one_another() -> None:
    first, last = date(2023, 12, 31).toordinal(), date(2024, 3, 1).toordinal()
    assert months(first, last) == ["2023-12", "2024-01", "2024-02", "2024-03"]


def _read(documents: dict[str, dict[str, Any]], ids: list[str], under_way: set[str]) -> dict[str, dict[str, Any]]:
    """As MongoDB gives them: single instants only of what is under way."""
    found = {i: documents[i] for i in ids if i in documents}
    return {i: one if i in under_way else {"n": one.get("n", {})} for i, one in found.items()}


def _up_to(changes: list[tuple[int, Mapping[str, int]]], last: int) -> Counter[str]:
    figures: Counter[str] = Counter()
    for day, change in changes:
        if day <= last:
            figures.update(change)
    return figures


def _state(added: list[Contribution], as_of: int) -> Counter[str]:
    figures: Counter[str] = Counter()
    for one in added:
        for at, changes in one.state.items():
            if at <= as_of:
                figures.update(apart(changes))
    return figures


def _days(added: list[Contribution], first: int, last: int, as_of: int) -> Counter[tuple[int, str]]:
    figures: Counter[tuple[int, str]] = Counter()
    for one in added:
        for (at, day), changes in one.days.items():
            if at <= as_of and first <= day <= last:
                figures.update({(day, name): change for name, change in changes.items()})
    return figures


def _nonzero(figures: Counter[Any]) -> dict[Any, int]:
    return {name: value for name, value in figures.items() if value}
