"""Whose facts are whose after a merge, when settlers die or stand still at the worst moments."""

import pytest

from support import memory_settlements
from unit.simulator.checks import check_end
from unit.simulator.world import World

SURVIVOR, MERGED = "p1", "p0"
ALONE, INTO_SURVIVOR, ALONE_AGAIN = 0, 1, 3
"""Versions of the contact (`Load.contact`)."""


@pytest.fixture
def world() -> World:
    """Two patients, all settled, and a single risk engine."""
    world = World()
    world.load.contact(SURVIVOR, ALONE)
    world.load.appointment(MERGED, 0, 0)
    world.load.appointment(SURVIVOR, 1, 1)
    return world


def _die(world: World, name: str) -> None:
    world.kill(name)
    world.group_of(name).put_out(name)


def _only(world: World, name: str) -> None:
    for other in ("risk-0", "risk-1"):
        if other != name:
            _die(world, other)


def _fold(world: World, name: str) -> None:
    for _ in range(80):
        world.step(name, 0)


def _settle_until(world: World, name: str, point: str) -> None:
    assert any(world.step(name, 1) == point for _ in range(200)), f"{point} was not reached"


def test_a_kill_behind_the_transaction_does_not_leave_an_undone_merge_in_the_sums(world: World) -> None:
    world.load.contact(MERGED, INTO_SURVIVOR)
    world.heal()
    _only(world, "risk-0")
    world.load.contact(MERGED, ALONE_AGAIN)
    _fold(world, "risk-0")
    _settle_until(world, "risk-0", "after write")
    _die(world, "risk-0")
    world.heal()
    check_end(world)


def _zombie(world: World) -> None:
    """One has read the survivor alone, and stands still until another has settled the merge."""
    world.load.contact(MERGED, ALONE)
    world.heal()
    world.load.appointment(SURVIVOR, 1, 2)
    _only(world, "risk-0")
    _fold(world, "risk-0")
    _settle_until(world, "risk-0", "after merged_into")
    world.group_of("risk-0").put_out("risk-0")
    world.start("risk-1")
    world.load.contact(MERGED, INTO_SURVIVOR)
    _fold(world, "risk-1")
    _settle_until(world, "risk-1", "after mark_settled")
    world.heal()


def test_a_settler_that_stood_still_does_not_undo_a_merge(world: World) -> None:
    _zombie(world)
    check_end(world)


def test_it_would_without_the_comparison_of_the_basis(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_settlements, "lacks", lambda stored, basis: set())
    _zombie(world)
    with pytest.raises(AssertionError):
        check_end(world)


def test_a_merge_undone_before_the_merged_patient_was_settled_leaves_nothing(world: World) -> None:
    """Only the survivor was settled with it: it changed just before, and the merge came meanwhile."""
    world.load.contact(MERGED, ALONE)
    world.heal()
    _only(world, "risk-0")
    world.load.appointment(SURVIVOR, 1, 2)
    _fold(world, "risk-0")
    _settle_until(world, "risk-0", "after of_patients")
    world.load.contact(MERGED, INTO_SURVIVOR)
    _fold(world, "risk-0")
    _settle_until(world, "risk-0", "after mark_settled")
    world.load.contact(MERGED, ALONE_AGAIN)
    _fold(world, "risk-0")
    world.heal()
    check_end(world)
