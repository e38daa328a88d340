"""What is done when a handler fails: a transient fault is waited out, a bad record is found.

The handler must be idempotent: a failed batch is handed to it again, whole or in halves.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from shared.dead_letters import DeadLetter
from shared.failpoints import reached
from shared.faults import TransientError, describe, is_transient
from shared.logs import log_of
from shared.records import Handler, Record

_log = log_of("consumer")

ATTEMPTS = 3
"""So often a single record may fail by an error of our code before it is set aside."""


class InterruptedWaitError(TransientError):
    """Waiting was cut short: the partitions go to another process, or this one stops."""


class Patience:
    """How long a fault is waited out: 0.1 s, doubled up to `longest`, `total` seconds at most.

    `total` lies far below max_poll_interval; after it the batch is put back, and comes again.
    `between` are the seconds before a record that failed by itself is tried again, the first of a
    batch only: a fault that passes is then not taken for the record's.
    """

    def __init__(self, total: float = 60.0, first: float = 0.1, longest: float = 5.0, *, between: float = 0.5) -> None:
        self.total = total
        self.first = first
        self.longest = longest
        self.between = between
        self._pause = first

    def reset(self) -> None:
        """A batch went well: the next pause is a short one."""
        self._pause = self.first

    async def pause(self, give_up: asyncio.Event) -> None:
        """Keeps a batch that is put back from coming again at once."""
        with suppress(TimeoutError):
            await asyncio.wait_for(give_up.wait(), self._pause)
        self._pause = min(self._pause * 2, self.longest)


async def handle_patiently(
    handle: Handler,
    records: Sequence[Record],
    patience: Patience,
    give_up: asyncio.Event,
    failed: Callable[[BaseException], None] = lambda fault: None,
) -> list[DeadLetter]:
    """What the handler returns, with the records on which it raises added, in their order.

    Raises what is transient once the patience is used up, and InterruptedWaitError when `give_up` is set.
    `failed` is told of every fault.
    """

    async def handled(part: Sequence[Record]) -> Sequence[DeadLetter]:
        try:
            reached("consumer.handle")
            return await handle(part)
        except Exception as fault:
            failed(fault)
            raise

    search = _Search(handled, patience, give_up)
    await search.isolate(records)
    return search.dead


class _Search:
    """Hands a batch over, in halves where it fails, down to the records that do."""

    def __init__(self, handle: Handler, patience: Patience, give_up: asyncio.Event) -> None:
        self._handle = handle
        self._patience = patience
        self._give_up = give_up
        self._failed = False
        self.dead: list[DeadLetter] = []

    async def isolate(self, records: Sequence[Record]) -> None:
        """Everything of the records is handled or among the dead when this returns."""
        try:
            self.dead += await self._wait_out(records)
        except Exception as fault:
            if is_transient(fault):
                raise
            if len(records) > 1:
                _log.warning("looking for the record that fails", records=len(records), error=fault)
                half = len(records) // 2
                await self.isolate(records[:half])
                await self.isolate(records[half:])
            else:
                self.dead += await self._last_attempts(records[0])

    async def _last_attempts(self, record: Record) -> Sequence[DeadLetter]:
        attempt = 1
        while True:
            attempt += 1
            if not self._failed:
                await self._pause(self._patience.between)
            try:
                return await self._wait_out([record])
            except Exception as fault:
                if is_transient(fault):
                    raise
                if attempt >= ATTEMPTS:
                    self._failed = True  # it is no passing fault: the batch's others need not wait for one
                    _log.error(
                        "a record fails",
                        topic=record.topic,
                        partition=record.partition,
                        offset=record.offset,
                        error=fault,
                    )
                    return [DeadLetter.of_exception(record, fault, attempt)]

    async def _wait_out(self, records: Sequence[Record]) -> Sequence[DeadLetter]:
        loop = asyncio.get_running_loop()
        began, delay = loop.time(), self._patience.first
        while True:
            try:
                return await self._handle(records)
            except Exception as fault:
                waited = loop.time() - began
                if not is_transient(fault) or waited + delay > self._patience.total:
                    raise
                _log.warning("waiting", error=describe(fault), waited=round(waited, 1))
            await self._pause(delay)
            delay = min(delay * 2, self._patience.longest)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._give_up.wait(), seconds)
            raise InterruptedWaitError("the batch is given up while waiting")
