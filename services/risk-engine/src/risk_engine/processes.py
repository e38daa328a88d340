"""Where results are computed when they are many: in processes of their own, beside the one that reads and writes.

Python runs one thread at a time: in one process, settling a backlog would keep waiting what is folded meanwhile.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from typing import Any

from bson import decode, encode
from bson.raw_bson import RawBSONDocument

from risk_engine.computing import Computed, Inputs, compute, in_a_thread
from risk_engine.settlement import Addition, Failed, Generation, Mark, Memory, Settled, Update
from shared.faults import TransientError
from shared.garbage import look_for_garbage_less_often

MANY = 50
"""Timelines; fewer are computed sooner than they are sent elsewhere."""

PROCESSES = 2
"""As many as write at once (`turns.LANES`); each holds 60 to 120 MB."""

REMEMBERED = 2_000
"""Patients of whom a process knows what they added last: a new fact changes little of it."""

NICE = 10
"""By how much they give way to the process that reads and writes: facts are stored before they are summed."""

ORPHAN_SECONDS = 1.0
"""How soon a process notices that the one it works for was killed."""


_Answer = tuple[list[Settled | Failed], tuple[list[tuple[str, int, bytes]], Mapping[str, Mark]]]
"""`Computed`, its documents as BSON."""


class ComputingProcesses:
    """A part of the service; raises TransientError when one of them was killed, and starts another one."""

    def __init__(self) -> None:
        self._processes = [_Process() for _ in range(PROCESSES)]

    async def start(self) -> None:
        """Starts them, so that the first backlog need not wait; one that is killed meanwhile is started when it is needed."""
        await asyncio.gather(*(process.start() for process in self._processes))

    async def stop(self) -> None:
        """Ends them; nothing is lost that was not yet written."""
        await asyncio.gather(*(process.stop() for process in self._processes))

    async def __call__(self, inputs: Inputs) -> Computed:
        """By the process that has least to do."""
        if len(inputs.work) < MANY:
            return await in_a_thread(inputs)
        process = min(self._processes, key=lambda one: one.under_way)
        outcomes, (updates, replaced) = await process.run(_call(inputs))
        return Computed(
            [_passed(outcome, _Encoded) for outcome in outcomes],
            Addition(
                [Update(rollup, instants, _EncodedUpdate(operation)) for rollup, instants, operation in updates],
                replaced,
            ),
        )


class _Process:
    """One of them."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self.under_way = 0

    async def start(self) -> None:
        with suppress(TransientError):
            await self.run(_nothing)

    async def stop(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def run(self, call: Callable[[], _Answer]) -> _Answer:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
            )
        pool = self._pool
        self.under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, call)
        except BrokenProcessPool as fault:
            if self._pool is pool:
                self._pool = None
            raise TransientError("a process that computes ended") from fault
        finally:
            self.under_way -= 1


def _nothing() -> _Answer:
    return [], ([], {})


def _call(inputs: Inputs) -> Callable[[], _Answer]:
    """What computes it; documents are BSON, which is passed on faster than dictionaries."""
    timelines = {id(timeline): timeline for timeline, _ in inputs.work}
    numbers = {identity: number for number, identity in enumerate(timelines)}
    contributions = inputs.contributions
    return partial(
        _compute_sent,
        [encode(timeline) for timeline in timelines.values()],
        [(numbers[id(timeline)], generation) for timeline, generation in inputs.work],
        {survivor: [encode(loser) for loser in losers] for survivor, losers in inputs.merged.items()},
        inputs.as_of,
        None if contributions is None else [encode(contribution) for contribution in contributions.values()],
    )


_memory = Memory(REMEMBERED)
"""Of a process that computes."""


def _compute_sent(
    timelines: Sequence[bytes],
    work: Sequence[tuple[int, Generation]],
    merged: Mapping[str, Sequence[bytes]],
    as_of: int,
    contributions: Sequence[bytes] | None,
) -> _Answer:
    """The results of the work, which tells a timeline by its number."""
    decoded = [decode(timeline) for timeline in timelines]
    inputs = Inputs(
        [(decoded[number], generation) for number, generation in work],
        {survivor: [decode(loser) for loser in losers] for survivor, losers in merged.items()},
        as_of,
        None if contributions is None else {stored["_id"]: stored for stored in map(decode, contributions)},
    )
    outcomes, (updates, replaced) = compute(inputs, _memory)
    encoded = [(rollup, instants, encode(operation)) for rollup, instants, operation in updates]
    return [_passed(outcome, encode) for outcome in outcomes], (encoded, replaced)


def _passed(outcome: Settled | Failed, passed: Callable[[Any], Any]) -> Settled | Failed:
    """The outcome with its documents as they are on the other side."""
    if isinstance(outcome, Failed):
        return outcome
    contribution, assessment = outcome.contribution, outcome.assessment
    return outcome._replace(
        contribution=None if contribution is None else passed(contribution),
        assessment=None if assessment is None else passed(assessment),
    )


class _Encoded(RawBSONDocument):
    """A document that need not be taken apart to be stored."""

    def __len__(self) -> int:
        return 1  # PyMongo only wants to know whether there is anything in it


class _EncodedUpdate(_Encoded):
    """An update likewise."""

    def __iter__(self) -> Iterator[str]:
        return iter(("$inc",))  # … and whether it is an update


def _begin(parent: int) -> None:
    """Leaves Ctrl-C to the parent, gives way to it, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    look_for_garbage_less_often()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
