"""Where results are computed: in a process of its own when they are many, beside the one that reads and writes.

Python runs one thread at a time: in one process, settling a backlog would keep waiting what is folded meanwhile.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Any, Protocol

from bson import decode, encode
from bson.raw_bson import RawBSONDocument

from risk_engine.settlement import Failed, Generation, Memory, Settled, settle
from shared.faults import TransientError, place_of
from shared.garbage import look_for_garbage_less_often
from shared.timelines import Document, Merged

MANY = 50
"""Timelines; fewer are computed sooner than they are sent elsewhere."""

REMEMBERED = 4_000
"""Patients of whom the process that computes knows what they added last: a new fact changes little of it."""

ORPHAN_SECONDS = 1.0
"""How soon the process notices that the one it works for was killed."""

Work = tuple[Document, Generation]
"""What is settled: a timeline, for a generation."""

Outcome = Settled | Failed


class Compute(Protocol):
    """Results of timelines, each for a generation, as of an instant."""

    async def __call__(
        self, work: Sequence[Work], merged: Merged, *, as_of: int, with_contribution: bool
    ) -> list[Outcome]:
        """In the order of the work."""
        ...


def settle_all(
    work: Sequence[Work], merged: Merged, as_of: int, with_contribution: bool, memory: Memory | None = None
) -> list[Outcome]:
    """The results of all of it; one that fails keeps none of the others back."""
    outcomes: list[Outcome] = []
    for timeline, generation in work:
        try:
            settled = settle(
                timeline,
                merged,
                generation,
                as_of=as_of,
                home=timeline["home"],
                with_contribution=with_contribution,
                memory=memory,
            )
        except Exception as fault:  # noqa: BLE001 - whatever it is, the settler tells of it
            outcomes.append(Failed(timeline["_id"], f"{type(fault).__name__} at {place_of(fault)}"))
        else:
            outcomes.append(settled)
    return outcomes


async def in_a_thread(work: Sequence[Work], merged: Merged, *, as_of: int, with_contribution: bool) -> list[Outcome]:
    """Heartbeats and polls go on however long one patient's history is."""
    return await asyncio.to_thread(settle_all, work, merged, as_of, with_contribution)


class ComputingProcess:
    """A part of the service; raises TransientError when its process was killed, and starts another one."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def start(self) -> None:
        """Starts the process, so that the first backlog need not wait for it."""
        await self._run(_nothing)

    async def stop(self) -> None:
        """Ends it; nothing is lost that was not yet written."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def __call__(
        self, work: Sequence[Work], merged: Merged, *, as_of: int, with_contribution: bool
    ) -> list[Outcome]:
        """In the order of the work."""
        if len(work) < MANY:
            return await in_a_thread(work, merged, as_of=as_of, with_contribution=with_contribution)
        timelines = list({id(timeline): timeline for timeline, _ in work}.values())
        places = {id(timeline): place for place, timeline in enumerate(timelines)}
        return [
            _passed(outcome, _received)
            for outcome in await self._run(
                partial(
                    _settle_encoded,
                    [encode(timeline) for timeline in timelines],
                    {survivor: [encode(loser) for loser in losers] for survivor, losers in merged.items()},
                    [(places[id(timeline)], generation) for timeline, generation in work],
                    as_of,
                    with_contribution,
                )
            )
        ]

    async def _run(self, call: Callable[[], list[Outcome]]) -> list[Outcome]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
            )
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, call)
        except BrokenProcessPool as fault:
            if self._pool is pool:
                self._pool = None
            raise TransientError("the process that computes ended") from fault


def _nothing() -> list[Outcome]:
    return []


_memory = Memory(REMEMBERED)
"""Of the process that computes."""


def _settle_encoded(
    timelines: Sequence[bytes],
    merged: Mapping[str, Sequence[bytes]],
    work: Sequence[tuple[int, Generation]],
    as_of: int,
    with_contribution: bool,
) -> list[Outcome]:
    """The results with their documents as BSON, which is passed on faster than dictionaries, and stored as it is."""
    decoded = [decode(timeline) for timeline in timelines]
    losers = {survivor: [decode(loser) for loser in some] for survivor, some in merged.items()}
    outcomes = settle_all([(decoded[place], one) for place, one in work], losers, as_of, with_contribution, _memory)
    return [_passed(outcome, _sent) for outcome in outcomes]


def _passed(outcome: Outcome, passed: Callable[[Any], Any]) -> Outcome:
    """The outcome with its documents as they are on the other side."""
    if isinstance(outcome, Failed):
        return outcome
    return outcome._replace(
        contribution_document=passed(outcome.contribution_document), assessment=passed(outcome.assessment)
    )


def _sent(document: Mapping[str, Any] | None) -> Any:
    return None if document is None else encode(document)


class _Encoded(RawBSONDocument):
    """A document that need not be taken apart to be stored."""

    def __len__(self) -> int:
        return 1  # PyMongo only wants to know whether there is anything in it


def _received(document: Any) -> Mapping[str, Any] | None:
    return None if document is None else _Encoded(document)


def _begin(parent: int) -> None:
    """Leaves Ctrl-C to the parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    look_for_garbage_less_often()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
