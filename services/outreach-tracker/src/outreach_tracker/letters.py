"""Dead letters of erased patients are deleted; those of others stay, at the end of their partition.

Kafka deletes records up to an offset only. So the others' letters are copied behind the end that the
partition had, and all before it is deleted. After a crash in between some are there twice, and are
replayed twice at the most: repeats change nothing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TypeAlias

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from shared.kafka import LARGEST_REQUEST_BYTES
from shared.logs import log_of
from shared.topics import PARTITIONS, TOPICS

Letter: TypeAlias = ConsumerRecord[bytes, bytes]
Edges = dict[TopicPartition, tuple[int, int]]

_PLACES = [TopicPartition(topic.dead_letters, number) for topic in TOPICS for number in range(PARTITIONS)]

_log = log_of("letters")


class LetterPurge:
    """Deletes letters; `replayed` tells the ids of those that were put back, which nobody needs any more."""

    def __init__(self, bootstrap_servers: str, replayed: Callable[[], Awaitable[Collection[str]]]) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._replayed = replayed

    async def __call__(self, keys: Collection[str]) -> None:
        """Returns once no dead letter of these patients can be read; idempotent."""
        async with self._reading() as consumer:
            while affected := await self._affected(consumer, keys):  # another tracker may be copying, too
                await self._rewrite(consumer, affected, keys)
                _log.info("dead letters of erased patients deleted", count=len(affected))

    async def _affected(self, consumer: AIOKafkaConsumer, keys: Collection[str]) -> Edges:
        """The partitions that hold such letters."""
        edges = await _edges(consumer)
        found = {
            TopicPartition(letter.topic, letter.partition)
            async for letter in _read(consumer, edges)
            if is_of(letter, keys)
        }
        return {place: edges[place] for place in found}

    async def _rewrite(self, consumer: AIOKafkaConsumer, edges: Edges, keys: Collection[str]) -> None:
        replayed = frozenset(await self._replayed())
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers, acks="all", max_request_size=LARGEST_REQUEST_BYTES
        )
        await producer.start()
        try:
            async for letter in _read(consumer, edges):
                if is_of(letter, keys) or f"{letter.topic}:{letter.partition}:{letter.offset}" in replayed:
                    continue
                await producer.send_and_wait(
                    letter.topic,
                    letter.value,
                    key=letter.key,
                    partition=letter.partition,
                    timestamp_ms=letter.timestamp,
                    headers=letter.headers,
                )
        finally:
            await producer.stop()
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_records({place: RecordsToDelete(end) for place, (_, end) in edges.items()})
        finally:
            await admin.close()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers, enable_auto_commit=False)
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()


def is_of(letter: Letter, keys: Collection[str]) -> bool:
    """Whether the key is a patient's, or what the letter says is about one."""
    if (letter.key or b"").decode(errors="replace") in keys:
        return True
    try:
        event = orjson.loads(letter.value or b"")
    except orjson.JSONDecodeError:
        return False
    data = event.get("data") if isinstance(event, dict) else None
    return isinstance(data, dict) and f"{data.get('organization_id')}:{data.get('patient_id')}" in keys


async def _edges(consumer: AIOKafkaConsumer) -> Edges:
    """Where the letters of each partition begin and end now; empty ones are left out."""
    consumer.assign(_PLACES)  # so that it knows their leaders
    consumer.pause(*_PLACES)
    begins, ends = await consumer.beginning_offsets(_PLACES), await consumer.end_offsets(_PLACES)
    return {place: (begins[place], ends[place]) for place in _PLACES if ends[place] > begins[place]}


async def _read(consumer: AIOKafkaConsumer, edges: Edges) -> AsyncIterator[Letter]:
    """All letters between the edges, partition by partition."""
    for place, (begin, end) in edges.items():
        consumer.assign([place])
        consumer.seek(place, begin)
        while await consumer.position(place) < end:
            for letter in (await consumer.getmany(place, timeout_ms=1_000)).get(place, []):
                if letter.offset < end:
                    yield letter
