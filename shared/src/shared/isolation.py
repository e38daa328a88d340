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
    """

    def __init__(self, total: float = 60.0, first: float = 0.1, longest: float = 5.0) -> None:
        self.total = total
        self.first = first
        self.longest = longest
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

    return await _isolate(handled, records, patience, give_up)


async def _isolate(
    handle: Handler, records: Sequence[Record], patience: Patience, give_up: asyncio.Event
) -> list[DeadLetter]:
    try:
        return list(await _wait_out(handle, records, patience, give_up))
    except Exception as fault:
        if is_transient(fault):
            raise
        if len(records) > 1:
            _log.warning("looking for the record that fails", records=len(records), error=fault)
            half = len(records) // 2
            first = await _isolate(handle, records[:half], patience, give_up)
            return first + await _isolate(handle, records[half:], patience, give_up)
        return await _last_attempts(handle, records[0], patience, give_up)


async def _last_attempts(
    handle: Handler, record: Record, patience: Patience, give_up: asyncio.Event
) -> list[DeadLetter]:
    attempt = 1
    while True:
        attempt += 1
        try:
            return list(await _wait_out(handle, [record], patience, give_up))
        except Exception as fault:
            if is_transient(fault):
                raise
            if attempt >= ATTEMPTS:
                _log.error(
                    "a record fails",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    error=fault,
                )
                return [DeadLetter.of_exception(record, fault, attempt)]


async def _wait_out(
    handle: Handler, records: Sequence[Record], patience: Patience, give_up: asyncio.Event
) -> Sequence[DeadLetter]:
    loop = asyncio.get_running_loop()
    began, delay = loop.time(), patience.first
    while True:
        try:
            return await handle(records)
        except Exception as fault:
            waited = loop.time() - began
            if not is_transient(fault) or waited + delay > patience.total:
                raise
            _log.warning("waiting", error=describe(fault), waited=round(waited, 1))
        with suppress(TimeoutError):
            await asyncio.wait_for(give_up.wait(), delay)
            raise InterruptedWaitError("the batch is given up while waiting")
        delay = min(delay * 2, patience.longest)
