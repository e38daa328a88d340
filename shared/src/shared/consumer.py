"""How records are consumed: in batches, stored before they are committed, bad ones set aside.

A handler gets a batch, stores its results durably, and returns the records that can never
succeed. Those are written to the dead-letter topic, and only then are the offsets committed.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.message import AckStatus

from shared.clock import Clock
from shared.dead_letters import DeadLetter, FailureLimit, set_aside
from shared.faults import StatedError, describe, is_transient
from shared.isolation import Patience, handle_patiently
from shared.kafka import KeyedProducer
from shared.logs import log_of
from shared.records import Handler, Partition, Record

__all__ = ["Consumer", "DeadLetter", "Handler", "Partition", "Record", "create_consumer"]

_SESSION_MS = 10_000
_REBALANCE_MS = 30_000
_REVOKE_SECONDS = 15.0  # well below _REBALANCE_MS, after which the group goes on without us
_MAX_POLL_MS = 300_000
_STOP_SECONDS = 5.0
_IDLE_POLL_MS = 25  # FastStream sleeps that long after an empty poll: it adds to the latency
_FETCH_WAIT_MS = 50  # a partition's next fetch waits for the one under way: it, too, is latency
_COMMIT_SECONDS = 30.0  # aiokafka itself tries for ever
_SILENT_SECONDS = 30.0
_STUCK_SECONDS = 240.0

Rebalanced = Callable[[frozenset[Partition]], Awaitable[None] | None]

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
    patience: Patience | None = None,
    limit: FailureLimit | None = None,
    client_id: str | None = None,
) -> "Consumer":
    """A consumer of several topics in one group; nothing connects before its `start`.

    `producer` writes the dead letters. `fail` stops the service: called when most records fail
    by an error of our own code.
    """
    return Consumer(
        bootstrap_servers,
        tuple(topics),
        group=group,
        handle=handle,
        producer=producer,
        clock=clock,
        fail=fail,
        on_assigned=on_assigned,
        on_revoked=on_revoked,
        max_records=max_records,
        patience=patience or Patience(),
        limit=limit or FailureLimit(),
        client_id=client_id or group,
    )


class Consumer:
    """A running subscription: FastStream's batches, with the guarantees that it leaves open."""

    def __init__(
        self,
        bootstrap_servers: str,
        topics: tuple[str, ...],
        *,
        group: str,
        handle: Handler,
        producer: KeyedProducer,
        clock: Clock,
        fail: Callable[[BaseException], None],
        on_assigned: Rebalanced | None,
        on_revoked: Rebalanced | None,
        max_records: int,
        patience: Patience,
        limit: FailureLimit,
        client_id: str,
    ) -> None:
        self._topics = topics
        self._group = group
        self._handle = handle
        self._producer = producer
        self._clock = clock
        self._fail = fail
        self._callbacks = {"assigned": on_assigned, "revoked": on_revoked}
        self._patience = patience
        self._limit = limit
        self._give_up = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy_since: float | None = None
        self._polled_at: float | None = None
        self._failed = False
        self._stopping = False
        self.assigned: frozenset[Partition] = frozenset()
        """The partitions that this process owns now."""
        self.committed_at: int | None = None
        """When offsets were committed last (µs)."""
        self._broker = KafkaBroker(
            bootstrap_servers,
            client_id=client_id,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=_STOP_SECONDS,
            request_timeout_ms=15_000,
            metadata_max_age_ms=60_000,
            apply_types=False,
            logger=None,  # its messages quote records; ours are written below
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            group_id=group,
            batch=True,
            max_records=max_records,
            batch_timeout_ms=_IDLE_POLL_MS,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            parser=self._parse,
            decoder=_whole_message,
            no_reply=True,
            listener=_Listener(self),
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            max_poll_interval_ms=_MAX_POLL_MS,
            session_timeout_ms=_SESSION_MS,
            rebalance_timeout_ms=_REBALANCE_MS,
            heartbeat_interval_ms=2_000,
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Joins the group, waiting for Kafka as long as it takes."""
        while True:
            try:
                await self._broker.start()
            except (KafkaError, OSError, TimeoutError) as fault:
                _log.warning("waiting for Kafka", group=self._group, error=describe(fault))
                with suppress(KafkaError, OSError):
                    await self._broker.stop()
                await asyncio.sleep(1)
            else:
                break
        self._watch_polls()

    async def stop(self) -> None:
        """Finishes the batch in hand (five seconds at most), commits it, and leaves the group."""
        self._stopping = True
        self._give_up.set()
        await self._broker.stop()
        self.assigned = frozenset()

    def not_ready(self) -> list[str]:
        """Why no progress is made, if none is."""
        reasons = []
        now = self._clock.monotonic()
        if self._failed:
            reasons.append("stopped: most records failed")
        if self._polled_at is None:
            reasons.append(f"{self._group}: not started")
        elif not self.assigned:
            reasons.append(f"{self._group}: no partitions assigned")
        elif self._busy_since is not None and now - self._busy_since > _SILENT_SECONDS:
            reasons.append(f"{self._group}: a batch has been in hand for {now - self._busy_since:.0f} s")
        elif self._busy_since is None and self._silence() > _SILENT_SECONDS:
            reasons.append(f"{self._group}: no answer from Kafka for {self._silence():.0f} s")
        return reasons

    def not_live(self) -> list[str]:
        """Why only a restart can help, if so: the loop that asks for records has stopped."""
        since = self._polled_at if self._busy_since is None else self._busy_since
        stuck = 0.0 if since is None else self._clock.monotonic() - since
        return [f"{self._group}: stuck for {stuck:.0f} s"] if stuck > _STUCK_SECONDS else []

    async def lag(self) -> int | None:
        """Records of the assigned partitions not yet handed out; None before the first answer."""
        consumer = self._subscriber.consumer
        if consumer is None:
            return None
        lag = 0
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is None:
                return None
            lag += max(0, end - await consumer.position(partition))
        return lag

    def _silence(self) -> float:
        consumer = self._subscriber.consumer
        if consumer is None:
            return 0.0
        answers = [consumer.last_poll_timestamp(one) for one in consumer.assignment()]
        newest: int = max((at for at in answers if at is not None), default=0)
        return self._clock.now() / 1e6 - newest / 1e3 if newest else 0.0

    def _watch_polls(self) -> None:
        consumer = self._subscriber.consumer
        if consumer is None:
            return
        self._polled_at = self._clock.monotonic()
        ask = consumer.getmany

        async def getmany(*args: Any, **options: Any) -> Any:
            self._polled_at = self._clock.monotonic()
            try:
                return await ask(*args, **options)
            except KafkaError as fault:
                _log.warning("Kafka does not answer", group=self._group, error=describe(fault))
                raise

        consumer.getmany = getmany

    async def _parse(self, records: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        # FastStream's own parser decodes headers as UTF-8: one stranger's header that is not
        # would fail the whole batch before the handler, unrewound, and so lose it.
        consumer = self._subscriber.consumer
        assert consumer is not None
        return KafkaAckableMessage(body=b"", raw_message=records, consumer=consumer, message_id=str(records[0].offset))

    async def _on_batch(self, message: KafkaAckableMessage) -> None:
        raw = message.raw_message if isinstance(message.raw_message, tuple) else (message.raw_message,)
        records = [_record(one) for one in raw]
        self._idle.clear()
        self._busy_since = self._clock.monotonic()
        try:
            dead = await self._store(records)
            await self._commit(message, records)
            self._limit.count(records, dead)
        except Exception as fault:  # noqa: BLE001 - whatever it is, nothing of it was committed
            self._tell(fault)
            await self._patience.pause(self._give_up)
            raise NackMessage from None
        finally:
            self._busy_since = None
            self._idle.set()

    async def _store(self, records: Sequence[Record]) -> Sequence[DeadLetter]:
        dead = await handle_patiently(self._handle, records, self._patience, self._give_up)
        self._limit.check(records, dead)
        if dead:
            await set_aside(self._producer, dead, self._clock.now())
            reasons = sorted({letter.error for letter in dead})[:5]
            _log.warning("dead letters", group=self._group, count=len(dead), reasons=reasons)
        return dead

    async def _commit(self, message: KafkaAckableMessage, records: Sequence[Record]) -> None:
        # Not `message.ack()`: it commits the position of every assigned partition, whatever was
        # handled. These are the offsets of this batch, and no others.
        offsets: dict[KafkaPartition, int] = {}
        for record in records:
            partition = KafkaPartition(record.topic, record.partition)
            offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
        try:
            consumer: Any = message.consumer
            await asyncio.wait_for(consumer.commit(offsets), _COMMIT_SECONDS)
        except (CommitFailedError, IllegalStateError) as fault:
            # Rebalanced meanwhile: whoever owns the partitions now gets the records again.
            _log.info("offsets not committed: rebalanced", group=self._group, error=describe(fault))
        else:
            self.committed_at = self._clock.now()
            self._patience.reset()
        message.committed = AckStatus.ACKED

    def _tell(self, fault: Exception) -> None:
        if is_transient(fault):
            _log.warning("batch put back", group=self._group, error=describe(fault))
            return
        _log.error("batch failed", group=self._group, error=fault)
        if isinstance(fault, StatedError):
            self._failed = True
            self._fail(fault)

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Waits for the batch in hand, so that its new owner starts behind it."""
        self._give_up.set()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _REVOKE_SECONDS)
        finally:
            if not self._stopping:
                self._give_up.clear()
        self.assigned = frozenset()
        await self._call("revoked", partitions)

    async def assign(self, partitions: frozenset[Partition]) -> None:
        """Takes the partitions over."""
        self.assigned = partitions
        _log.info("partitions assigned", group=self._group, count=len(partitions))
        await self._call("assigned", partitions)

    async def _call(self, what: str, partitions: frozenset[Partition]) -> None:
        callback = self._callbacks[what]
        if callback is not None:
            answer = callback(partitions)
            if inspect.isawaitable(answer):
                await answer


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[KafkaPartition]) -> None:
        await self._consumer.revoked(frozenset((p.topic, p.partition) for p in revoked))

    async def on_partitions_assigned(self, assigned: set[KafkaPartition]) -> None:
        await self._consumer.assign(frozenset((p.topic, p.partition) for p in assigned))


async def _whole_message(message: KafkaAckableMessage) -> KafkaAckableMessage:
    return message


def _record(raw: ConsumerRecord) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp * 1_000)
