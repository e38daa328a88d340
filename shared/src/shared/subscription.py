"""FastStream's batch subscription, with what it needs to lose nothing."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.message import AckStatus

from shared.faults import describe
from shared.logs import log_of
from shared.records import Record

STOP_SECONDS = 5.0

_SESSION_MS = 10_000
_REBALANCE_MS = 15_000
_REQUEST_MS = 20_000  # joining a group takes as long as its slowest member may
_MAX_POLL_MS = 300_000
_IDLE_POLL_MS = 25  # FastStream sleeps that long after an empty poll: it adds to the latency
_FETCH_WAIT_MS = 50  # a partition's next fetch waits for the one under way: it, too, is latency

_POSITION_SECONDS = 5.0

OnBatch = Callable[["Batch"], Awaitable[None]]

FEW, GATHERING_SECONDS = 100, 0.04
"""After so few records at once the next ones are gathered for a moment: a batch costs much the same whatever it
holds, and a steady trickle would come one by one."""

AT_A_TIME = 4
"""Batches of partitions of one number before those of the next one have their turn."""

_log = log_of("consumer")


Offsets = dict[KafkaPartition, int]


class Batch:
    """Records of several partitions, in order within each, and how to commit just them."""

    def __init__(self, message: KafkaAckableMessage, committed: Offsets) -> None:
        self._message = message
        self._committed = committed
        raw = message.raw_message
        self.records: Sequence[Record] = [_record(one) for one in (raw if isinstance(raw, tuple) else (raw,))]

    async def commit(self) -> None:
        """Commits the offsets behind these records; aiokafka's errors when somebody else owns them.

        Not `message.ack()`: it commits the position of every assigned partition, whatever was
        handled.
        """
        offsets: Offsets = {}
        for record in self.records:
            partition = KafkaPartition(record.topic, record.partition)
            offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
        consumer: Any = self._message.consumer
        await consumer.commit(offsets)
        self._committed.update(offsets)

    def leave(self) -> None:
        """Keeps FastStream from committing more than `commit` did."""
        self._message.committed = AckStatus.ACKED


class Subscription:
    """One consumer of several topics; `on_batch` raises NackMessage to have the records come again."""

    def __init__(
        self,
        bootstrap_servers: str,
        topics: Sequence[str],
        *,
        group: str,
        client_id: str,
        max_records: int,
        first: str | None,
        listener: ConsumerRebalanceListener,
        on_batch: OnBatch,
        asked: Callable[[], None],
    ) -> None:
        self._group = group
        self._on_batch = on_batch
        self._asked = asked
        self._committed: Offsets = {}
        self._first = first
        self._first_records = max(1, max_records // 2)
        self._max_records = max_records
        self._number = self._of_number = 0
        self._broker = KafkaBroker(
            bootstrap_servers,
            client_id=client_id,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=STOP_SECONDS,
            request_timeout_ms=_REQUEST_MS,
            metadata_max_age_ms=60_000,
            apply_types=False,
            logger=None,  # its messages quote records; ours are written by the consumer
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            group_id=group,
            batch=True,
            max_records=max_records,
            batch_timeout_ms=_IDLE_POLL_MS,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            parser=self._parse,
            decoder=_whole_message,
            no_reply=True,
            listener=listener,
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=2 * 1024 * 1024,
            max_poll_interval_ms=_MAX_POLL_MS,
            session_timeout_ms=_SESSION_MS,
            rebalance_timeout_ms=_REBALANCE_MS,
            heartbeat_interval_ms=2_000,
        )
        self._subscriber(self._on_message)

    async def start(self) -> None:
        """Joins the group; raises aiokafka's errors when Kafka is away."""
        await self._broker.start()
        consumer: Any = self._subscriber.consumer
        self._asked()
        ask = consumer.getmany
        now = asyncio.get_running_loop().time
        not_before = 0.0
        crowded = backlog = False

        async def getmany(*args: Any, **options: Any) -> Any:
            nonlocal not_before, crowded, backlog
            self._asked()
            await asyncio.sleep(not_before - now())
            not_before = 0.0
            waiting = await self._waiting(consumer) if backlog else {}
            try:
                found = await self._of_first(consumer, ask)
            except KafkaError as fault:
                _log.warning("Kafka does not answer", group=self._group, error=describe(fault))
                raise
            if crowded and 0 < _count(found) < FEW:
                crowded = False
                return found  # stored sooner without as many of the others again, who have the next turn
            try:
                before = _count(found)
                await self._number_by_number(ask, waiting, found)
                if _count(found) == before:
                    _add(found, await ask(*args, **options | ({"timeout_ms": 0} if found else {})))
            except KafkaError as fault:
                _log.warning("Kafka does not answer", group=self._group, error=describe(fault))
                if not found:
                    raise  # else the position lies behind what was found: it would be lost
            if not found:
                await self._pass_what_is_no_record(consumer)
            crowded, backlog = _count(found) >= FEW, _count(found) - before >= FEW
            if 0 < _count(found) < FEW:
                not_before = now() + GATHERING_SECONDS
            return found

        consumer.getmany = getmany

    async def _of_first(self, consumer: Any, ask: Callable[..., Awaitable[Any]]) -> dict[KafkaPartition, list[Any]]:
        """What was fetched of the topic that comes first: aiokafka hands partitions out in the order they came in."""
        partitions = [partition for partition in consumer.assignment() if partition.topic == self._first]
        if not partitions:
            return {}
        return dict(await ask(*partitions, timeout_ms=0, max_records=self._first_records))

    async def _waiting(self, consumer: Any) -> Offsets:
        """How many records wait in each partition, where that is known; asked before anything is read.

        Between two reads nothing may be waited for: partitions could change hands, and what was read be lost.
        """
        ends: Offsets = {}
        for partition in consumer.assignment():
            end = consumer.last_stable_offset(partition)
            if end is not None:
                ends[partition] = end
        waiting: Offsets = {}

        async def ask_positions() -> None:
            for partition, end in ends.items():
                waiting[partition] = end - await consumer.position(partition)

        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(ask_positions(), _POSITION_SECONDS)
        return {partition: count for partition, count in waiting.items() if count > 0}

    async def _number_by_number(
        self, ask: Callable[..., Awaitable[Any]], waiting: Offsets, found: dict[KafkaPartition, list[Any]]
    ) -> None:
        """Adds, of a backlog, what was fetched of the partitions of one number, and of the next ones while that is little.

        All about a patient has one key, so it lies in partitions of one number in all topics. Read at an even pace,
        it comes together, is stored at once, and settled once.
        """
        numbers: dict[int, Offsets] = {}
        for partition, count in waiting.items():
            numbers.setdefault(partition.partition, {})[partition] = count
        left = self._max_records
        for number in sorted(numbers, key=lambda one: (one < self._number, one)):
            if number != self._number:
                self._number, self._of_number = number, 0
            if len(numbers) > 1 and self._of_number >= AT_A_TIME * self._max_records:
                continue
            before = _count(found)
            total = sum(numbers[number].values())
            for partition, count in numbers[number].items():
                share = math.ceil(left * count / total)
                _add(found, await ask(partition, timeout_ms=0, max_records=share))
            self._of_number += _count(found) - before
            left -= _count(found) - before
            if left <= self._max_records // 2:
                break

    async def _pass_what_is_no_record(self, consumer: Any) -> None:
        """Commits behind the marks of transactions and what they took back: nobody waits for it.

        Nothing is in hand now, so whatever lies before a partition's position is done.
        """
        behind: Offsets = {}
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is not None and self._committed.get(partition, 0) < end:
                with suppress(TimeoutError, KafkaError):
                    behind[partition] = await asyncio.wait_for(consumer.position(partition), _POSITION_SECONDS)
        moved = {one: position for one, position in behind.items() if position > self._committed.get(one, 0)}
        if moved:
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(consumer.commit(moved), _POSITION_SECONDS)
                self._committed.update(moved)

    async def stop(self) -> None:
        """Waits for the batch in hand, at most STOP_SECONDS, and leaves the group."""
        await self._broker.stop()

    @property
    def answered_at(self) -> float | None:
        """When Kafka last answered a fetch (seconds since the epoch); None: not yet."""
        consumer = self._subscriber.consumer
        if consumer is None:
            return None
        answers = [consumer.last_poll_timestamp(one) for one in consumer.assignment()]
        return max((at / 1e3 for at in answers if at is not None), default=None)

    async def _parse(self, records: tuple[ConsumerRecord, ...]) -> KafkaAckableMessage:
        # FastStream's own parser decodes headers as UTF-8: one stranger's header that is not
        # would fail the whole batch before the handler, unrewound, and so lose it.
        consumer = self._subscriber.consumer
        assert consumer is not None
        return KafkaAckableMessage(body=b"", raw_message=records, consumer=consumer, message_id=str(records[0].offset))

    async def _on_message(self, message: KafkaAckableMessage) -> None:
        await self._on_batch(Batch(message, self._committed))


def _count(found: Mapping[KafkaPartition, Sequence[Any]]) -> int:
    return sum(map(len, found.values()))


def _add(found: dict[KafkaPartition, list[Any]], more: Mapping[KafkaPartition, Sequence[Any]]) -> None:
    for partition, records in more.items():
        found.setdefault(partition, []).extend(records)


async def _whole_message(message: KafkaAckableMessage) -> KafkaAckableMessage:
    return message


def _record(raw: ConsumerRecord) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp * 1_000)
