"""The process that computes says the same as a thread, and none is missed when it is killed."""

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

from risk_engine.computing import MANY, ComputingProcess, Work, in_a_thread
from risk_engine.settlement import Failed, Generation, Settled
from rules.instants import DAY, parse_instant
from rules.settings import rule_settings
from shared.faults import TransientError
from shared.timelines import Merged

NOW = parse_instant("2026-06-01T00:00:00Z")
GENERATION = Generation("org", 1, rule_settings({"time_zone": "Australia/Sydney", "followup_days": {"*": 28}}))


@pytest.fixture
async def process() -> AsyncIterator[ComputingProcess]:
    process = ComputingProcess()
    await process.start()
    yield process
    await process.stop()


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


def work_of(visits: int) -> tuple[list[Work], Merged]:
    """Patients of so many visits; the first of them has taken in another one."""
    loser = timeline(999, 4, merged_at=NOW - 10 * DAY) | {"merged_into": "org:p0", "survivors": ["org:p0"]}
    return [(timeline(number, visits), GENERATION) for number in range(2 * MANY)], {"org:p0": [loser]}


def plain(results: list[Settled]) -> list[Settled]:
    """With documents as they are read back."""
    return [
        s._replace(
            contribution_document=decode(encode(s.contribution_document or {})),
            assessment=decode(encode(s.assessment or {})),
        )
        for s in results
    ]


async def test_it_says_the_same_as_a_thread_also_of_patients_it_remembers(process: ComputingProcess) -> None:
    for visits in (3, 4, 4, 2):
        work, merged = work_of(visits)
        found = await process(work, merged, as_of=NOW, with_contribution=True)
        wanted = await in_a_thread(work, merged, as_of=NOW, with_contribution=True)
        assert plain(found) == plain(wanted)
        assert any(s.contribution and s.contribution.state for s in found)


async def test_one_that_fails_keeps_none_of_the_others_back(process: ComputingProcess) -> None:
    work, merged = work_of(3)
    bad = timeline(7, 3, created_at=10**18)  # in the year 33658
    work[7] = (bad, GENERATION)
    for compute in (process, in_a_thread):
        outcomes = await compute(work, merged, as_of=NOW, with_contribution=True)
        assert [number for number, one in enumerate(outcomes) if isinstance(one, Failed)] == [7]
        assert outcomes[7].timeline == "org:p7"


async def test_killed_it_says_so_and_another_one_goes_on(process: ComputingProcess) -> None:
    work, merged = work_of(3)
    (child,) = _computing(os.getpid())
    os.kill(child, signal.SIGKILL)
    with pytest.raises(TransientError):
        await process(work, merged, as_of=NOW, with_contribution=True)
    assert len(await process(work, merged, as_of=NOW, with_contribution=True)) == len(work)


def test_it_ends_soon_after_the_one_it_works_for_was_killed() -> None:
    program = "import asyncio; from risk_engine.computing import ComputingProcess as C; c = C()\n"
    program += "async def main():\n    await c.start()\n    print('up', flush=True)\n    await asyncio.sleep(60)\n"
    program += "if __name__ == '__main__': asyncio.run(main())\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        (child,) = _computing(parent.pid)
        parent.kill()
        deadline = time.monotonic() + 10
        while _computes(child):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _computing(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if _computes(int(pid))]


def _computes(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
