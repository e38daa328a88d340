"""Results in transactions: while one batch is written, the next one is read and computed."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from shared.clock import Clock
from shared.timelines import Document

BATCH, SMALLEST_BATCH = 1_000, 50
"""Timelines settled in one transaction: the more, the fewer rollups are touched for each of them."""

QUICK_SECONDS, SLOW_SECONDS = 1.5, 4.0
"""What a transaction may take before the next ones are smaller: MongoDB ends one that lasts too long."""

OVERLAPPING = 3
"""Parts that the work of a lane is cut into at least, where none becomes smaller than SMALLEST_BATCH."""

LANES = 2
"""Transactions under way at once, never two of one organization: they would collide in its sums."""

P = TypeVar("P")

Prepare = Callable[[Sequence[Document]], Awaitable[P]]
"""Reads and computes what some of the work makes."""

Write = Callable[[P], Coroutine[Any, Any, None]]
"""Writes it, in a transaction."""


def _lanes(work: Sequence[Document]) -> list[list[Document]]:
    """The work in lanes of about the same length, each home in one, those with little first.

    The patients of an organization touch the same rollups, and follow each other.
    """
    homes: dict[int, list[Document]] = {}
    for one in work:
        homes.setdefault(one["home"], []).append(one)
    lanes: list[list[list[Document]]] = [[] for _ in range(LANES)]
    for of_home in sorted(homes.values(), key=len, reverse=True):
        min(lanes, key=lambda lane: sum(map(len, lane))).append(of_home)
    return [[one for of_home in reversed(lane) for one in of_home] for lane in lanes if lane]


class Turns:
    """Finds out by itself how much one transaction can hold."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._batch = SMALLEST_BATCH

    async def take(
        self, work: Sequence[Document], prepare: Prepare[P], write: Write[P], parts: int = OVERLAPPING
    ) -> None:
        """Prepares and writes all of it; whatever has a field `home` is work."""
        if len(work) <= SMALLEST_BATCH:
            await self._lane(work, prepare, write, parts)
            return
        turns = [self._lane(lane, prepare, write, parts) for lane in _lanes(work)]
        for outcome in await asyncio.gather(*turns, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _lane(self, work: Sequence[Document], prepare: Prepare[P], write: Write[P], parts: int) -> None:
        # In several parts, reading and computing go on while one is written.
        largest = max(SMALLEST_BATCH, math.ceil(len(work) / parts))
        writing: asyncio.Task[None] | None = None
        done = 0
        try:
            while done < len(work):
                some = work[done : done + min(self._batch, largest)]
                prepared = await prepare(some)
                if writing is not None:
                    await writing
                done += len(some)
                if done < len(work):
                    writing = asyncio.create_task(self._timed(write, prepared))
                else:
                    await self._timed(write, prepared)
        finally:
            if writing is not None:
                await asyncio.wait([writing])

    async def _timed(self, write: Write[P], prepared: P) -> None:
        began = self._clock.monotonic()
        try:
            await write(prepared)
        finally:
            spent = self._clock.monotonic() - began
            if spent > SLOW_SECONDS:
                self._batch = max(SMALLEST_BATCH, self._batch // 2)
            elif spent < QUICK_SECONDS:
                self._batch = min(BATCH, self._batch * 2)
