"""Results in transactions: while one batch is written, the next one is computed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from risk_engine.settlement import Generation, Settled
from shared.clock import Clock
from shared.timelines import Document

BATCH, SMALLEST_BATCH = 1_000, 50
"""Timelines settled in one transaction: the more, the fewer rollups are touched for each of them."""

QUICK_SECONDS, SLOW_SECONDS = 1.5, 4.0
"""What a transaction may take before the next ones are smaller: MongoDB ends one that lasts too long."""

LANES = 2
"""Transactions under way at once, never two of one organization: they would collide in its sums."""

Work = tuple[Document, Generation]
"""What is settled: a timeline, for a generation."""

Compute = Callable[[Sequence[Work]], Awaitable[list[Settled]]]
Write = Callable[[Sequence[Settled]], Coroutine[Any, Any, None]]


class Turns:
    """Finds out by itself how much one transaction can hold."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._batch = SMALLEST_BATCH

    async def take(self, work: Sequence[Work], compute: Compute, write: Write) -> set[str]:
        """Computes and writes all of it; the `_id`s of the results."""
        if len(work) <= self._batch:
            return await self._lane(work, compute, write)
        lanes: dict[int, list[Work]] = {}
        for one in work:
            lanes.setdefault(one[0]["home"] % LANES, []).append(one)
        turns = [self._lane(lane, compute, write) for lane in lanes.values()]
        found: set[str] = set()
        for outcome in await asyncio.gather(*turns, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            found |= outcome
        return found

    async def _lane(self, work: Sequence[Work], compute: Compute, write: Write) -> set[str]:
        ids: set[str] = set()
        size = self._batch
        writing: asyncio.Task[None] | None = None
        try:
            for first in range(0, len(work), size):
                settled = await compute(work[first : first + size])
                ids.update(s.id for s in settled)
                if writing is not None:
                    await writing
                if first + size < len(work):
                    writing = asyncio.create_task(self._timed(write, settled))
                else:
                    await self._timed(write, settled)
        finally:
            if writing is not None:
                await asyncio.wait([writing])
        return ids

    async def _timed(self, write: Write, settled: Sequence[Settled]) -> None:
        began = self._clock.monotonic()
        try:
            await write(settled)
        finally:
            spent = self._clock.monotonic() - began
            if spent > SLOW_SECONDS:
                self._batch = max(SMALLEST_BATCH, self._batch // 2)
            elif spent < QUICK_SECONDS:
                self._batch = min(BATCH, self._batch * 2)
