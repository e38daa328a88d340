"""What a midnight changes, and how soon it is settled.

All organizations have the same time zone, so all midnights are one. The clock of the engine that
renews is ahead: first shortly before midnight, as long as it needs to settle down, then past it.
"""

import asyncio
import os
import sys
import time

from bench.report import Figure, at_most, plain
from bench.stack import TIME_ZONE, Stack
from local_stack.settings import ROOT
from rules.calendar import calendar
from rules.instants import SECOND
from shared.clock import SystemClock
from shared.topics import PARTITIONS

WITHIN_SECONDS = 60
BEFORE = 60 * SECOND
LOOK = 0.25


async def midnight(stack: Stack, *, quick: bool) -> list[Figure]:
    """Seconds from midnight until no assessment stands that has run out."""
    clock = SystemClock()
    days = calendar(TIME_ZONE)
    tonight = days.end(days.day(clock.now())) + 1
    if tonight - clock.now() < 10 * BEFORE:
        tonight = days.end(days.day(tonight)) + 1
    changed = _run_out(stack, tonight)
    ahead = stack.settings.home / "ahead"
    ahead.write_text(str(tonight - BEFORE - clock.now()))
    path = f"{ROOT / 'tests'}:{ROOT / 'deploy/local'}"
    command = [sys.executable, "-m", "bench.shifted", str(ahead)]
    engine = stack.start("risk-engine", *command, PYTHONPATH=f"{path}:{os.environ.get('PYTHONPATH', '')}")
    await asyncio.sleep(1)
    ahead.write_text(str(tonight - clock.now() + SECOND))
    began = time.monotonic()
    while (left := _run_out(stack, tonight)) and engine.alive() and time.monotonic() < began + 240:  # noqa: ASYNC110
        await asyncio.sleep(LOOK)
    seconds = time.monotonic() - began
    stack.stop(engine)
    assert not left, f"{left} assessments were not renewed"
    return [
        plain("assessments that the next midnight changes", changed),
        plain("… renewed a second", changed / seconds),
        at_most("midnight to all of them settled", seconds, WITHIN_SECONDS, " s"),
    ]


def _run_out(stack: Stack, instant: int) -> int:
    query = {"home": {"$in": list(range(PARTITIONS))}, "until": {"$lte": instant}}
    count: int = stack.database["assessments"].count_documents(query, hint="expired_by_home")
    return count
