"""How records are consumed: in batches, stored before they are committed, bad ones set aside.

A handler gets a batch, stores its results durably, and returns the records that can never
succeed. Those are written to the dead-letter topic, and only then are the offsets committed.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream.exceptions import NackMessage

from shared.assignment import Assignment, Rebalanced
from shared.clock import Clock
from shared.dead_letters import DeadLetter, FailureLimit, FailureLimitError, set_aside
from shared.failpoints import reached
from shared.faults import describe, is_transient
from shared.isolation import Patience, handle_patiently
from shared.kafka import KeyedProducer
from shared.logs import log_of
from shared.progress import Progress
from shared.records import Handler, Partition, Record
from shared.subscription import Batch, Subscription

__all__ = ["Consumer", "DeadLetter", "Handler", "Partition", "Record", "create_consumer"]

_COMMIT_SECONDS = 30.0  # aiokafka itself tries for ever
_RETRY_START_SECONDS = 1.0

_log = log_of("consumer")


def create_consumer(
    bootstrap_servers: str,
    topics: Iterable[str],
    *,
    group: str,
    handle: Handler,
    producer: KeyedProducer,
    clock: Clock,
    fail: Callable[[BaseException], None],
    on_assigned: Rebalanced | None = None,
    on_revoked: Rebalanced | None = None,
    max_records: int = 2_000,
    first: str | None = None,
    patience: Patience | None = None,
    limit: FailureLimit | None = None,
    client_id: str | None = None,
) -> "Consumer":
    """A consumer of several topics in one group; nothing connects before its `start`.

    What waits in the topic `first` need not wait for the others: it is asked first, for half a batch, and what
    little there is of it between two large batches is one by itself.
    `producer` writes the dead letters. `fail` stops the service: called when most records fail
    by an error of our own code.
    """
    progress = Progress(group, clock)
    assignment = Assignment(group, on_assigned, on_revoked, progress.assigned)
    consumer = Consumer(
        group,
        handle=handle,
        producer=producer,
        clock=clock,
        fail=fail,
        assignment=assignment,
        progress=progress,
        patience=patience or Patience(),
        limit=limit or FailureLimit(),
    )
    consumer.subscription = Subscription(
        bootstrap_servers,
        tuple(topics),
        group=group,
        client_id=client_id or group,
        max_records=max_records,
        first=first,
        listener=assignment,
        on_batch=consumer.on_batch,
        asked=progress.asked,
    )
    return consumer


class Consumer:
    """A running subscription: FastStream's batches, with the guarantees that it leaves open."""

    subscription: Subscription

    def __init__(
        self,
        group: str,
        *,
        handle: Handler,
        producer: KeyedProducer,
        clock: Clock,
        fail: Callable[[BaseException], None],
        assignment: Assignment,
        progress: Progress,
        patience: Patience,
        limit: FailureLimit,
    ) -> None:
        self._group = group
        self._handle = handle
        self._producer = producer
        self._clock = clock
        self._fail = fail
        self._assignment = assignment
        self._progress = progress
        self._patience = patience
        self._limit = limit

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions that this process owns now."""
        return self._assignment.partitions

    async def start(self) -> None:
        """Joins the group, waiting for Kafka as long as it takes."""
        while True:
            try:
                await self.subscription.start()
            except (KafkaError, OSError, TimeoutError) as fault:
                _log.warning("waiting for Kafka", group=self._group, error=describe(fault))
                with suppress(KafkaError, OSError):
                    await self.subscription.stop()
                await asyncio.sleep(_RETRY_START_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """Finishes the batch in hand (five seconds at most), commits it, and leaves the group."""
        self._assignment.close()
        await self.subscription.stop()
        self._assignment.partitions = frozenset()

    def not_ready(self) -> list[str]:
        """Why no progress is made, if none is."""
        return self._progress.not_ready(assigned=bool(self.assigned), answered_at=self.subscription.answered_at)

    def not_live(self) -> list[str]:
        """Why only a restart can help, if so."""
        return self._progress.not_live()

    async def on_batch(self, batch: Batch) -> None:
        """Handles, sets aside, commits; or has the records come again, after a pause."""
        self._assignment.idle.clear()
        self._progress.began()
        well = False
        try:
            reached("consumer.after_read")
            dead = await self._store(batch.records)
            reached("consumer.before_commit")
            await self._commit(batch)
            self._limit.count(batch.records, dead)
            well = True
        except Exception as fault:  # noqa: BLE001 - whatever it is, nothing of it was committed
            self._tell(fault)
            await self._patience.pause(self._assignment.give_up)
            raise NackMessage from None
        finally:
            self._progress.ended(well=well)
            self._assignment.idle.set()

    async def _store(self, records: Sequence[Record]) -> Sequence[DeadLetter]:
        dead = await handle_patiently(
            self._handle, records, self._patience, self._assignment.give_up, self._progress.failed
        )
        reached("consumer.after_store")
        self._limit.check(records, dead)
        if dead:
            await set_aside(self._producer, dead, self._clock.now())
            reasons = sorted({letter.error for letter in dead})[:5]
            _log.warning("dead letters", group=self._group, count=len(dead), reasons=reasons)
        return dead

    async def _commit(self, batch: Batch) -> None:
        try:
            await asyncio.wait_for(batch.commit(), _COMMIT_SECONDS)
        except (CommitFailedError, IllegalStateError) as fault:
            # Rebalanced meanwhile: whoever owns the partitions now gets the records again.
            _log.info("offsets not committed: rebalanced", group=self._group, error=describe(fault))
        else:
            self._patience.reset()
        batch.leave()

    def _tell(self, fault: Exception) -> None:
        self._progress.failed(fault)
        if is_transient(fault):
            _log.warning("batch put back", group=self._group, error=describe(fault))
            return
        _log.error("batch failed", group=self._group, error=fault)
        if isinstance(fault, FailureLimitError):
            self._progress.stopped_by = describe(fault)
            self._fail(fault)
