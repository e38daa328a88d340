"""How fast events become timelines and sums, against programs that do nothing but store them."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from bench import load
from bench.publishing import Group, Progress, median, publish
from bench.report import Figure, at_least, number, plain
from bench.stack import Stack, cpu_seconds
from shared.clock import SystemClock
from shared.topics import PARTITIONS

RUNS = 5
"""Medians of so many are told."""

SEED = 1
GROUP = "risk-engine"


async def consumption(stack: Stack, *, quick: bool) -> list[Figure]:
    """All events of a run come at once: the floor reads them, then the risk engine does, each by itself.

    A run's floor is the mean of the one before and the one after.
    """
    each = 500 if quick else 3_000
    now = SystemClock().now()
    committed = total = 0
    floors: list[float] = []
    runs: list[_Run] = []
    for run in range(1 if quick else RUNS):
        names = [f"org_{run}{letter}" for letter in "abcd"]
        of = [patient for name in names for patient in load.patients(name, each)]
        total = await publish(stack.kafka, load.events_of(of, seed=SEED, now=now))
        committed += total
        floors = floors or [_floor(stack, "many", total)]
        stack.add_organizations(*names)
        runs.append(await _engine(stack, total, committed))
        floors.append(_floor(stack, "many", total))
    single = _floor(stack, "single", total, seconds=3 if quick else 8)
    careless = _floor(stack, "single-careless", total, seconds=3 if quick else 8)
    timelines = [run.timelines for run in runs]
    settled = [run.settled for run in runs]
    of_floor = [2 * rate / (before + after) for rate, (before, after) in zip(timelines, pairwise(floors), strict=True)]
    of_timelines = [run.settled / run.timelines for run in runs]
    return [
        plain("floor, by hand in batches", median(floors), f" events/s ({_range(floors)})"),
        plain("floor, FastStream message by message, acknowledged once stored", single, " events/s"),
        plain("… acknowledged before (its default: a kill loses some)", careless, " events/s"),
        plain("risk-engine, durable timelines", median(timelines), f" events/s ({_range(timelines)})"),
        at_least(f"… of the floor by hand ({_range(of_floor)})", median(of_floor), 0.7),
        at_least("… of FastStream message by message, times", median(timelines) / single, 20),
        plain("risk-engine, settled sums", median(settled), f" events/s ({_range(settled)})"),
        at_least(f"… of the rate of timelines ({_range(of_timelines)})", median(of_timelines), 0.4),
        plain(
            "processor time of the risk engine, per event, sums included", median([run.spent for run in runs]), " µs"
        ),
    ]


class _Run(NamedTuple):
    """Events a second until they were durable in timelines and settled in sums; µs of processor time for each."""

    timelines: float
    settled: float
    spent: float


async def _engine(stack: Stack, total: int, committed: int) -> _Run:
    """Reads so many events into an empty database; with those before, so many are committed then."""
    for name in stack.database.list_collection_names():
        stack.database.drop_collection(name)
    async with Group(stack.kafka, GROUP) as group:
        nothing = await group.now()
        process = stack.start(GROUP)
        progress = await group.watch(committed, since=nothing, within=240, alive=process.alive)
    await wait_settled(stack, within=240, alive=process.alive)
    settled = Progress([progress.samples[0], progress.first, (time.monotonic(), committed)])
    spent = cpu_seconds(process) / total * 1e6
    stack.stop(process)
    return _Run(progress.rate(), settled.rate(), spent)


def _range(values: list[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}"


def _floor(stack: Stack, kind: str, total: int, *, seconds: float = 60) -> float:
    command = [sys.executable, "-m", "bench.floors", kind, stack.kafka, stack.settings.mongodb_uri, str(total)]
    process = stack.run(f"floor-{kind}-{time.monotonic_ns()}", *command, str(seconds))
    deadline = time.monotonic() + seconds + 30
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    output = stack.output_of(process)
    stack.stop(process)
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return float(found["events"] / found["seconds"])


async def wait_settled(stack: Stack, *, within: float, alive: Callable[[], bool]) -> None:
    """Returns once no timeline waits to be settled."""
    deadline = time.monotonic() + within
    while dirty(stack):
        if time.monotonic() > deadline or not alive():
            raise TimeoutError("timelines stay unsettled")
        await asyncio.sleep(0.03)


def dirty(stack: Stack) -> bool:
    """Whether a timeline waits to be settled."""
    query = {"home": {"$in": list(range(PARTITIONS))}, "dirty": {"$exists": True}}
    return stack.database["timelines"].find_one(query, {"_id": 1}, hint="dirty_by_home") is not None
