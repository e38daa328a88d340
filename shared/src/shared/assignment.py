"""Which partitions a process owns, and how it hands them over: only when no batch is in hand."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiokafka import ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition

from shared.logs import log_of
from shared.records import Partition

REVOKE_SECONDS = 10.0
"""Well below the rebalance timeout, after which the group goes on without us."""

Rebalanced = Callable[[frozenset[Partition]], Awaitable[None] | None]

_log = log_of("consumer")


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """What the group tells; `give_up` is set while partitions go, so that nobody waits for long."""

    def __init__(
        self, group: str, on_assigned: Rebalanced | None, on_revoked: Rebalanced | None, anew: Callable[[], None]
    ) -> None:
        self._group = group
        self._anew = anew
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._closed = False
        self.partitions: frozenset[Partition] = frozenset()
        self.give_up = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    def close(self) -> None:
        """Nobody waits from now on."""
        self._closed = True
        self.give_up.set()

    async def on_partitions_revoked(self, revoked: set[KafkaPartition]) -> None:
        """Waits for the batch in hand, so that its new owner starts behind it."""
        self.give_up.set()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.idle.wait(), REVOKE_SECONDS)
        finally:
            if not self._closed:
                self.give_up.clear()
        self.partitions = frozenset()
        await _call(self._on_revoked, _named(revoked))

    async def on_partitions_assigned(self, assigned: set[KafkaPartition]) -> None:
        """Takes the partitions over."""
        self._anew()
        self.partitions = _named(assigned)
        _log.info("partitions assigned", group=self._group, count=len(assigned))
        await _call(self._on_assigned, self.partitions)


def _named(partitions: set[KafkaPartition]) -> frozenset[Partition]:
    return frozenset((one.topic, one.partition) for one in partitions)


async def _call(callback: Rebalanced | None, partitions: frozenset[Partition]) -> None:
    if callback is not None:
        answer = callback(partitions)
        if inspect.isawaitable(answer):
            await answer
