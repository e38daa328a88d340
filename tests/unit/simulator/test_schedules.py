"""Thousands of schedules of consumers and settlers that die, freeze and overlap: nothing is lost or counted twice."""

import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from shared.faults import TransientError
from shared.records import Record
from unit.simulator.chance import play
from unit.simulator.checks import CommitCheck, check_end
from unit.simulator.load import PATIENTS
from unit.simulator.world import NAMES, Loop, MakeLoop, World

SEEDS = int(os.environ.get("REENGAGE_SCHEDULES", "1000")) // 5
"""Of each of five tests; REENGAGE_SCHEDULES asks for more."""

PROCESSES = st.sampled_from(NAMES)
VERSIONS = st.integers(0, 7)
WHO = st.sampled_from(PATIENTS)


class Schedules(RuleBasedStateMachine):
    """Load and faults in any order; when it ends, everybody runs on until nothing is left to do."""

    make_loop: MakeLoop = Loop

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).make_loop)
        self.check_commits = CommitCheck(self.world)

    # ------------------------------------------------------------------ load

    @rule(patient=WHO, version=VERSIONS)
    def contact(self, patient: str, version: int) -> None:
        self.world.load.contact(patient, version)

    @rule(patient=WHO, number=st.integers(0, 1), version=VERSIONS)
    def appointment(self, patient: str, number: int, version: int) -> None:
        self.world.load.appointment(patient, number, version)

    @rule(patient=WHO, event=st.integers(0, 3), version=VERSIONS)
    def outreach(self, patient: str, event: int, version: int) -> None:
        self.world.load.outreach(patient, event, version)

    @rule(patient=WHO, kind=st.integers(0, 9))
    def poison(self, patient: str, kind: int) -> None:
        self.world.load.poisoned(patient, kind)

    @rule()
    def change_settings(self) -> None:
        self.world.directory.revision += 1

    @rule(turns=st.lists(st.tuples(PROCESSES, st.integers(0, 1), st.integers(1, 25)), min_size=1, max_size=12))
    def run(self, turns: Sequence[tuple[str, int, int]]) -> None:
        """Who is not named stands still between two points: a zombie, if its partitions go meanwhile."""
        for name, task, steps in turns:
            for _ in range(steps):
                self.world.step(name, task)
            self.check_commits()

    # ------------------------------------------------------------------ faults

    @rule(name=PROCESSES)
    def kill(self, name: str) -> None:
        self.world.kill(name)
        self.world.group_of(name).put_out(name)

    @rule(name=PROCESSES)
    def start(self, name: str) -> None:
        self.world.start(name)

    @rule(name=PROCESSES)
    def session_times_out(self, name: str) -> None:
        self.world.group_of(name).put_out(name)

    @rule(name=PROCESSES)
    def rebalance(self, name: str) -> None:
        self.world.group_of(name).rebalance()

    @precondition(lambda self: not self.world.database.away)
    @rule()
    def database_goes_away(self) -> None:
        self.world.database.away = True

    @precondition(lambda self: self.world.database.away)
    @rule()
    def database_comes_back(self) -> None:
        self.world.database.away = False

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def committed_is_stored(self) -> None:
        self.check_commits()

    def teardown(self) -> None:
        self.world.heal()
        self.check_commits()
        check_end(self.world)


QUICK = settings(max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))


def test_no_schedule_loses_a_record_or_counts_one_twice() -> None:
    run_state_machine_as_test(Schedules, settings=QUICK)


@pytest.mark.parametrize("tens", range(5))
def test_seeded_schedules_do_not_either(tens: int) -> None:
    for seed in range(SEEDS * tens, SEEDS * (tens + 1)):
        try:
            play(seed)
        except AssertionError as wrong:
            raise AssertionError(f"seed {seed}") from wrong


# ---------------------------------------------------------------------- does it find what is wrong?


class CommitsFirst(Loop):
    """At most once: what FastStream does by default."""

    async def take(self, batch: Sequence[Record]) -> None:
        await self.commit(batch)
        await super().take(batch)


class SwallowsFaults(Loop):
    """A transient fault is taken for done: the next commit goes past the records."""

    async def store(self, batch: Sequence[Record]) -> Any:
        try:
            return await super().store(batch)
        except Exception:  # noqa: BLE001
            return []


class CommitsBeforeDeadLetters(Loop):
    """Dead letters are stored last."""

    async def take(self, batch: Sequence[Record]) -> None:
        try:
            dead = await self.store(batch)
        except TransientError:
            self.reader.rewind(batch)
            return
        await self.commit(batch)
        await self.set_aside(dead)


class ForgetsToRewind(Loop):
    """A batch that failed does not come again; the next one is committed past it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reader.rewind = lambda records: None  # type: ignore[method-assign]


@pytest.mark.parametrize("wrong", [CommitsFirst, SwallowsFaults, CommitsBeforeDeadLetters, ForgetsToRewind])
def test_a_wrong_loop_is_found_soon(wrong: type[Loop]) -> None:
    assert any(_fails(seed, wrong) for seed in range(300))


def test_hypothesis_finds_one_too() -> None:
    class Wrong(Schedules):
        make_loop = CommitsFirst

    quick = settings(QUICK, max_examples=1_000, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Wrong, settings=quick)


def _fails(seed: int, wrong: type[Loop]) -> bool:
    try:
        play(seed, wrong)
    except AssertionError:
        return True
    return False
