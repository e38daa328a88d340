"""The processes that compute say the same as a thread, and none is missed when it is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bson import decode, encode

from risk_engine.computing import Computed, Inputs, Work, in_a_thread
from risk_engine.processes import MANY, PROCESSES, ComputingProcesses
from risk_engine.settlement import Failed, Generation, Settled
from rules.instants import DAY, parse_instant
from rules.settings import rule_settings
from shared.faults import TransientError
from support.eventually import eventually

NOW = parse_instant("2026-06-01T00:00:00Z")
GENERATION = Generation("org", 1, rule_settings({"time_zone": "Australia/Sydney", "followup_days": {"*": 28}}))


@pytest.fixture
async def processes() -> AsyncIterator[ComputingProcesses]:
    processes = ComputingProcesses()
    await processes.start()
    yield processes
    await processes.stop()


def timeline(number: int, visits: int, **contact: Any) -> dict[str, Any]:
    created = NOW - 300 * DAY
    return {
        "_id": f"org:p{number}",
        "organization_id": "org",
        "patient_id": f"p{number}",
        "home": 3,
        "revision": visits,
        "contact": {"v": "1", "created_at": created, "updated_at": created, "name": f"Patient {number}", **contact},
        "appointments": {
            f"a{visit}": {
                "v": "1",
                "id": f"a{visit}",
                "order": f"a{visit}",
                "created_at": created + visit * DAY,
                "starts_at": created + visit * (number % 9 + 20) * DAY,
            }
            for visit in range(visits)
        },
    }


def inputs_of(visits: int, contributions: dict[str, Any]) -> Inputs:
    """Patients of so many visits; the first of them has taken in another one."""
    loser = timeline(999, 4, merged_at=NOW - 10 * DAY) | {"merged_into": "org:p0", "survivors": ["org:p0"]}
    work: list[Work] = [(timeline(number, visits), GENERATION) for number in range(2 * MANY)]
    return Inputs(work, {"org:p0": [loser]}, NOW, contributions)


def plain(computed: Computed) -> list[Settled]:
    """With documents as they are read back."""
    settled = [one for one in computed.outcomes if isinstance(one, Settled)]
    assert len(settled) == len(computed.outcomes)
    return [
        s._replace(
            contribution=decode(encode(s.contribution or {})),
            assessment=decode(encode(s.assessment or {})),
        )
        for s in settled
    ]


async def test_they_say_the_same_as_a_thread_also_of_patients_they_remember(processes: ComputingProcesses) -> None:
    stored: dict[str, Any] = {}
    for visits in (3, 4, 4, 2):
        inputs = inputs_of(visits, stored)
        found, wanted = await processes(inputs), await in_a_thread(inputs)
        assert plain(found) == plain(wanted)
        assert any(s.contribution and s.contribution["state"] for s in plain(found))
        assert _changes(found) == _changes(wanted)
        assert found.addition.replaced == wanted.addition.replaced
        assert found.addition.replaced.keys() == stored.keys()
        # all but a few are stored, so that some patients are new every time
        stored = {s.id: dict(s.contribution or {}) for s in plain(found)[5:]}


async def test_who_asks_for_assessments_only_gets_nothing_to_add(processes: ComputingProcesses) -> None:
    inputs = inputs_of(3, {})._replace(contributions=None)
    found = await processes(inputs)
    assert found.addition == ([], {})
    assert all(isinstance(one, Settled) and one.assessment and one.contribution is None for one in found.outcomes)


async def test_one_that_fails_keeps_none_of_the_others_back(processes: ComputingProcesses) -> None:
    inputs = inputs_of(3, {})
    bad = timeline(7, 3, created_at=10**18)  # in the year 33658
    inputs = inputs._replace(work=[*inputs.work[:7], (bad, GENERATION), *inputs.work[8:]])
    for compute in (processes, in_a_thread):
        outcomes = (await compute(inputs)).outcomes
        failed = {number: one.timeline for number, one in enumerate(outcomes) if isinstance(one, Failed)}
        assert failed == {7: "org:p7"}


async def test_killed_it_says_so_and_another_one_goes_on(processes: ComputingProcesses) -> None:
    inputs = inputs_of(3, {})
    children = _computing(os.getpid())
    assert len(children) == PROCESSES
    os.kill(children[-1], signal.SIGKILL)
    outcomes = await asyncio.gather(*(processes(inputs) for _ in children), return_exceptions=True)
    assert [type(one) for one in outcomes].count(TransientError) == 1
    computed = await asyncio.gather(*(processes(inputs) for _ in children))
    assert [len(one.outcomes) for one in computed] == [len(inputs.work)] * PROCESSES


async def test_one_that_is_killed_while_it_starts_is_started_when_it_is_needed() -> None:
    processes = ComputingProcesses()
    starting = asyncio.create_task(processes.start())
    await asyncio.sleep(0)

    def begun() -> None:
        assert _computing(os.getpid())

    try:
        await eventually(begun, within=10)
        assert not starting.done()
        os.kill(_computing(os.getpid())[-1], signal.SIGKILL)
        await asyncio.wait_for(starting, 30)
        for _ in range(2 * PROCESSES):
            assert plain(await processes(inputs_of(3, {}))) == plain(await in_a_thread(inputs_of(3, {})))
    finally:
        await processes.stop()


def test_it_ends_soon_after_the_one_it_works_for_was_killed() -> None:
    program = "import asyncio; from risk_engine.processes import ComputingProcesses as C; c = C()\n"
    program += "async def main():\n    await c.start()\n    print('up', flush=True)\n    await asyncio.sleep(60)\n"
    program += "if __name__ == '__main__': asyncio.run(main())\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        children = _computing(parent.pid)
        assert len(children) == PROCESSES
        parent.kill()
        deadline = time.monotonic() + 10
        while any(map(_computes, children)):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _changes(computed: Computed) -> dict[str, dict[str, int]]:
    """What is added, without zeros."""
    return {
        rollup: changes
        for rollup, _, operation in computed.addition.updates
        if (changes := {field: change for field, change in decode(encode(operation))["$inc"].items() if change})
    }


def _computing(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if _computes(int(pid))]


def _computes(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
