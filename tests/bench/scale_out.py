"""Two risk engines share the partitions and lose nothing; an event costs the same however many clinics there are."""

import asyncio
import time
from collections import Counter
from random import Random

import orjson

from bench import load
from bench.consumption import GROUP, wait_settled
from bench.publishing import Group, median, publish
from bench.report import Figure, at_most, plain
from bench.stack import Stack, cpu_seconds
from rules.figures import apart
from rules.instants import DAY
from shared.clock import SystemClock

RUNS = 5
COUNTS = (1, 100, 10_000)
PATIENTS = 10_000
LIKE = 1.25


async def scale_out(stack: Stack, *, quick: bool) -> list[Figure]:
    """Engines join and leave in the middle of a backlog; what is stored then is compared with what was published."""
    names = [f"org_{number}" for number in range(8)]
    stack.add_organizations(*names)
    of = [patient for name in names for patient in load.patients(name, 30 if quick else 400)]
    records = list(load.events_of(of, seed=3, now=SystemClock().now()))
    first = stack.start(GROUP)
    total = await publish(stack.kafka, records[: len(records) // 2])
    second = stack.start(GROUP)
    total += await publish(stack.kafka, records[len(records) // 2 :])
    shared = await _assigned(stack)
    stack.stop(first)
    async with Group(stack.kafka, GROUP) as group:
        await group.watch(total, within=120, alive=second.alive)
    await wait_settled(stack, within=120, alive=second.alive)
    stack.stop(second)
    lost, wrong = _lost(stack, records), _wrong_sums(stack)
    return [
        plain("partitions of each of two engines", shared),
        at_most("facts lost when an engine joined and another left", lost, 0),
        at_most("sums that differ from the contributions", wrong, 0),
    ]


async def _assigned(stack: Stack) -> int:
    async with Group(stack.kafka, GROUP) as group:
        for _ in range(200):
            shares = await group.shares()
            if len(shares) == 2 and all(shares):
                return min(shares)
            await asyncio.sleep(0.1)
    raise TimeoutError("the engines do not share the partitions")


def _lost(stack: Stack, records: list[load.Record]) -> int:
    published = len({(record.key, record.topic, _fact(record)) for record in records})
    kinds = ("appointments", "messages")
    sizes = {kind: {"$size": {"$objectToArray": {"$ifNull": [f"${kind}", {}]}}} for kind in kinds}
    contact = {"$cond": [{"$ifNull": ["$contact", False]}, 1, 0]}
    stored = stack.database["timelines"].aggregate(
        [
            {"$project": {"facts": {"$add": [contact, *sizes.values()]}}},
            {"$group": {"_id": None, "n": {"$sum": "$facts"}}},
        ]
    )
    return published - next(stored)["n"]


def _fact(record: load.Record) -> str:
    return str(orjson.loads(record.value)["id"])


def _wrong_sums(stack: Stack) -> int:
    """Counters of the months' ladder that are not the sum of all contributions."""
    expected: Counter[tuple[str, str]] = Counter()
    for contribution in stack.database["contributions"].find({}, {"scope": 1, "state": 1}):
        for _, changes in contribution["state"]:
            for counter, change in apart(changes).items():
                expected[contribution["scope"], counter] += change
    found: Counter[tuple[str, str]] = Counter()
    for rollup in stack.database["rollups"].find({"_id": {"$regex": r"\|s\|(#|$)"}}):
        for changes in (*rollup.get("n", {}).values(), *rollup.get("i", {}).values()):
            for counter, change in apart(changes).items():
                found[rollup["scope"], counter] += change
    return sum(1 for key in expected.keys() | found.keys() if expected[key] != found[key])


async def clinics(stack: Stack, *, quick: bool) -> list[Figure]:
    """The same patients in one organization, a hundred, ten thousand; the same new events about each of them."""
    figures, costs = [], {}
    for count in (1, 10) if quick else COUNTS:
        walls, cpus = await _costs(stack, count, patients=60 if quick else PATIENTS, runs=2 if quick else RUNS)
        costs[count] = median(walls)
        figures.append(
            Figure(
                f"{count:,} organizations: an event to settled sums, median of {len(walls)} runs",
                f"{median(walls):,.0f} µs ({min(walls):,.0f} to {max(walls):,.0f}; processor {median(cpus):,.0f} µs)",
            )
        )
    ratios = [cost / costs[1] for cost in costs.values()]
    return [*figures, at_most("dearest of them, times one organization", max(ratios), LIKE)]


async def _costs(stack: Stack, count: int, *, patients: int, runs: int) -> tuple[list[float], list[float]]:
    stack.forget()
    names = [f"c{count}_{number}" for number in range(count)]
    stack.add_organizations(*names)
    of = [patient for name in names for patient in load.patients(name, patients // count)]
    now = SystemClock().now()
    engine = stack.start(GROUP)
    walls, cpus = [], []
    async with Group(stack.kafka, GROUP) as group:
        begun = [load.contact(p, now - 90 * DAY, now, number=n) for n, p in enumerate(of)]
        begun += [load.appointment(p, "a", now - 50 * DAY, now - 40 * DAY, now) for p in of]
        done = await group.committed() + await publish(stack.kafka, begun)
        await group.watch(done, within=240, alive=engine.alive)
        await wait_settled(stack, within=240, alive=engine.alive)
        for run in range(runs):
            rng = Random(f"clinics {run}")
            records = [load.message(p, f"m{run}", "sms", now - rng.randrange(DAY, 30 * DAY), 2) for p in of[::2]]
            began, cpu = time.monotonic(), cpu_seconds(engine)
            done += await publish(stack.kafka, records)
            await group.watch(done, within=120, alive=engine.alive)
            await wait_settled(stack, within=120, alive=engine.alive)
            walls.append((time.monotonic() - began) / len(records) * 1e6)
            cpus.append((cpu_seconds(engine) - cpu) / len(records) * 1e6)
    stack.stop(engine)
    return walls, cpus
