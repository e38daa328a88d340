"""How fast events become timelines and sums, against programs that do nothing but store them."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import load
from bench.publishing import Group, Progress, publish
from bench.report import Figure, at_least, plain
from bench.stack import Stack, cpu_seconds
from shared.clock import SystemClock
from shared.topics import PARTITIONS

ORGANIZATIONS = 4
SEED = 1
GROUP = "risk-engine"


async def consumption(stack: Stack, *, quick: bool) -> list[Figure]:
    """All events come at once: the floors read them, then the risk engine does, each by itself."""
    names = [f"org_{number}" for number in range(ORGANIZATIONS)]
    each = 150 if quick else 3_000
    now = SystemClock().now()
    of = [patient for name in names for patient in load.patients(name, each)]
    total = await publish(stack.kafka, load.events_of(of, seed=SEED, now=now))
    floors = [_floor(stack, "many", total)]
    stack.add_organizations(*names)
    engine, timelines, settled = await _engine(stack, total)
    floors.append(_floor(stack, "many", total))
    single = _floor(stack, "single", total, seconds=3 if quick else 8)
    careless = _floor(stack, "single-careless", total, seconds=3 if quick else 8)
    floor = sum(floors) / len(floors)
    return [
        plain("floor, by hand in batches (mean of before and after)", floor, " events/s"),
        plain("floor, FastStream message by message, acknowledged once stored", single, " events/s"),
        plain("… acknowledged before (its default: a kill loses some)", careless, " events/s"),
        Figure("risk-engine, durable timelines", f"{timelines:,.0f} events/s"),
        at_least("… of the floor by hand", timelines / floor, 0.7),
        at_least("… of FastStream message by message, times", timelines / single, 20),
        Figure("risk-engine, settled sums", f"{settled:,.0f} events/s"),
        at_least("… of the rate of timelines", settled / timelines, 0.4),
        plain("processor time of the risk engine, per event, sums included", engine, " µs"),
    ]


async def _engine(stack: Stack, total: int) -> tuple[float, float, float]:
    process = stack.start(GROUP)
    async with Group(stack.kafka, GROUP) as group:
        progress = await group.watch(total, within=240, alive=process.alive)
    await wait_settled(stack, within=240, alive=process.alive)
    settled = Progress([progress.samples[0], progress.first, (time.monotonic(), total)])
    spent = cpu_seconds(process) / total * 1e6
    stack.stop(process)
    return spent, progress.rate(), settled.rate()


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
