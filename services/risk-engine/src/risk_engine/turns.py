"""Results in transactions: while one batch is written, the next one is read and computed."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from shared.clock import Clock
from shared.tasks import cancelled
from shared.timelines import Document

BATCH, SMALLEST_BATCH = 1_500, 50
"""Timelines settled in one transaction: the more, the fewer rollups are touched for each of them."""

QUICK_SECONDS, SLOW_SECONDS = 1.5, 4.0
"""What a transaction may take before the next ones are smaller: MongoDB ends one that lasts too long."""

OVERLAPPING = 3
"""Parts that the work of a lane is cut into at least, where none becomes smaller than SMALLEST_BATCH."""

LANES = 2
"""Transactions under way at once, never two of one organization: they would collide in its sums."""

P = TypeVar("P")

Prepare = Callable[[Sequence[Document]], Coroutine[Any, Any, P]]
"""Reads and computes what some of the work makes."""

Write = Callable[[P], Coroutine[Any, Any, None]]
"""Writes it, in a transaction."""


def _lanes(work: Sequence[Document]) -> list[list[Document]]:
    """The work in lanes of about the same length, each organization in one, those with little first.

    The patients of an organization touch the same rollups, and follow each other.
    """
    organizations: dict[str, list[Document]] = {}
    for one in work:
        organizations.setdefault(one["organization_id"], []).append(one)
    lanes: list[list[list[Document]]] = [[] for _ in range(LANES)]
    lengths = [0] * LANES
    for of_one in sorted(organizations.values(), key=len, reverse=True):
        shortest = lengths.index(min(lengths))
        lanes[shortest].append(of_one)
        lengths[shortest] += len(of_one)
    return [[one for of_one in reversed(lane) for one in of_one] for lane in lanes if lane]


def _end_of_batch(lane: Sequence[Document], begin: int, size: int) -> int:
    """Where a batch of at most so many ends: with an organization, or one too large for it is cut into equal parts."""
    end = begin
    while end < len(lane):
        of_one = _end_of_organization(lane, end)
        if of_one - begin <= size:
            end = of_one
            continue
        if end == begin:
            end += math.ceil((of_one - begin) / math.ceil((of_one - begin) / size))
        break
    return end


def _end_of_organization(lane: Sequence[Document], begin: int) -> int:
    organization = lane[begin]["organization_id"]
    return next((n for n in range(begin, len(lane)) if lane[n]["organization_id"] != organization), len(lane))


class Turns:
    """Finds out by itself how much one transaction can hold."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._batch = SMALLEST_BATCH
        self._left: dict[asyncio.Task[None], Sequence[Document]] = {}

    @property
    def under_way(self) -> set[str]:
        """`_id`s of what is still being written."""
        return {one["_id"] for task, some in self._left.items() if not task.done() for one in some}

    async def ended(self) -> bool:
        """Waits for what is still being written, and raises what that raised; False when there was nothing."""
        left = list(self._left)
        if not left:
            return False
        await asyncio.wait(left)
        for task in left:
            self._left.pop(task, None)
        for fault in [task.exception() for task in left]:
            if fault is not None:
                raise fault
        return True

    async def end(self) -> None:
        """Ends it: its transactions are undone, or were done already."""
        await cancelled(*self._left)

    async def take(
        self,
        work: Sequence[Document],
        prepare: Prepare[P],
        write: Write[P],
        parts: int = OVERLAPPING,
        *,
        ahead: bool = False,
    ) -> None:
        """Prepares and writes all of it; whatever has a field `organization_id` is work.

        With `ahead` it returns while the last of it is being written: then more can be looked for meanwhile.
        Whatever is written next waits for that.
        """
        if not work:
            return
        if len(work) <= SMALLEST_BATCH:
            prepared = await prepare(work)
            await self.ended()
            await self._timed(write, prepared)
            return
        lanes = _lanes(work)
        last: dict[asyncio.Task[None], Sequence[Document]] = {}
        turns = [self._lane(lane, prepare, write, parts, LANES // len(lanes), last) for lane in lanes]
        try:
            for outcome in await asyncio.gather(*turns, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        finally:
            self._left.update(last)
        if not ahead:
            await self.ended()

    async def _lane(
        self,
        work: Sequence[Document],
        prepare: Prepare[P],
        write: Write[P],
        parts: int,
        at_once: int,
        last: dict[asyncio.Task[None], Sequence[Document]],
    ) -> None:
        """In several parts: reading and computing go on while one is written, of so many parts at once."""
        largest = max(SMALLEST_BATCH, math.ceil(len(work) / parts))
        preparing: deque[tuple[asyncio.Task[P], Sequence[Document]]] = deque()
        writing: asyncio.Task[None] | None = None
        begun = 0
        try:
            while begun < len(work) or preparing:
                while begun < len(work) and len(preparing) < at_once:
                    end = _end_of_batch(work, begun, min(self._batch, largest))
                    some = work[begun:end]
                    preparing.append((asyncio.create_task(prepare(some)), some))
                    begun = end
                task, some = preparing[0]
                prepared = await task
                if writing is None:
                    await self.ended()
                else:
                    await writing
                preparing.popleft()
                writing = asyncio.create_task(self._timed(write, prepared))
            if writing is not None:
                last[writing] = some
                writing = None
        finally:
            for task, _ in preparing:
                task.cancel()
            unended = [*(task for task, _ in preparing), *([] if writing is None else [writing])]
            await asyncio.gather(*unended, return_exceptions=True)

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
