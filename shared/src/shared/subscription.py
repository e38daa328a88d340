"""FastStream's batch subscription, with what it needs to lose nothing."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
Fetched = dict[KafkaPartition, list[Any]]
Ask = Callable[..., Awaitable[Fetched]]


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


class _Turn:
    """What is taken at once of what was fetched, each partition by itself.

    Of several that are asked together, aiokafka drops what it took from the others when one fails (a damaged batch), with
    the position behind it: it would be lost.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.found: Fetched = {}
        self.fault: KafkaError | None = None
        """Why something was not taken; it comes again."""

    @property
    def count(self) -> int:
        """Records taken so far."""
        return sum(map(len, self.found.values()))

    async def take(self, partitions: Sequence[KafkaPartition], most: int, timeout_ms: int = 0) -> None:
        """Takes at most so many records of these partitions (none: of all), and waits until there is one of any of them."""
        if most < 1:
            return
        before = self.count
        await self._take(partitions, 1, timeout_ms)
        if self.count > before or self.fault is not None:
            for partition in partitions:
                if self.count - before < most:
                    await self.take_of(partition, most - self.count + before)

    async def take_of(self, partition: KafkaPartition, most: int) -> None:
        """Takes at most so many records of one."""
        await self._take([partition], most, 0)

    async def _take(self, partitions: Sequence[KafkaPartition], most: int, timeout_ms: int) -> None:
        try:
            fetched = await self._ask(*partitions, timeout_ms=timeout_ms, max_records=most)
        except KafkaError as fault:
            self.fault = fault
            return
        for partition, records in fetched.items():
            self.found.setdefault(partition, []).extend(records)


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
        self._number = self._of_number = self._turns = 0
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

        async def getmany(*, timeout_ms: int, max_records: int) -> Fetched:
            nonlocal not_before, crowded, backlog
            self._asked()
            await asyncio.sleep(not_before - now())
            not_before = 0.0
            waiting = await self._waiting(consumer) if backlog else {}
            turn = _Turn(ask)
            self._turns += 1
            first = [one for one in consumer.assignment() if one.topic == self._first]
            if first:
                await turn.take(self._in_turn(first), self._first_records)
            before = turn.count
            if crowded and 0 < before < FEW:
                crowded = False
                return turn.found  # stored sooner without as many of the others again, who have the next turn
            await self._number_by_number(turn, waiting)
            if turn.count == before:
                timeout = 0 if before else timeout_ms
                await turn.take(self._in_turn(consumer.assignment()), max_records - before, timeout)
            if turn.fault is not None:
                _log.warning("Kafka does not answer", group=self._group, error=describe(turn.fault))
                if not turn.found:
                    raise turn.fault
            if not turn.found:
                await self._pass_what_is_no_record(consumer)
            crowded, backlog = turn.count >= FEW, turn.count - before >= FEW
            if 0 < turn.count < FEW:
                not_before = now() + GATHERING_SECONDS
            return turn.found

        consumer.getmany = getmany

    def _in_turn(self, partitions: Iterable[KafkaPartition]) -> list[KafkaPartition]:
        """The same; each comes first in its turn, since who is asked last may get nothing."""
        ordered = sorted(partitions)
        begin = self._turns % max(1, len(ordered))
        return ordered[begin:] + ordered[:begin]

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

    async def _number_by_number(self, turn: "_Turn", waiting: Offsets) -> None:
        """Takes, of a backlog, what was fetched of the partitions of one number, and of the next ones while that is little.

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
            before = turn.count
            total = sum(numbers[number].values())
            for partition, count in numbers[number].items():
                await turn.take_of(partition, math.ceil(left * count / total))
            self._of_number += turn.count - before
            left -= turn.count - before
            if left <= self._max_records // 2:
                break

    async def _pass_what_is_no_record(self, consumer: Any) -> None:
        """Commits behind the marks of transactions and what they took back: nobody waits for it.

        Nothing is in hand now, so whatever lies before a partition's position is done.
        """
        behind: Offsets = {}
        ends = {partition: consumer.highwater(partition) for partition in consumer.assignment()}
        for partition, end in ends.items():
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


async def _whole_message(message: KafkaAckableMessage) -> KafkaAckableMessage:
    return message


def _record(raw: ConsumerRecord) -> Record:
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp * 1_000)
