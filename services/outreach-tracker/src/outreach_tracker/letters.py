"""Dead letters of erased patients are deleted; those of others stay, at the end of their partition.

Kafka deletes records up to an offset only. So the others' letters are copied behind the end, and what
was copied is deleted, portion by portion. After a crash, or when the work changes hands, one portion
can be there twice, and be replayed twice: repeats change nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeAlias

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from shared.dead_letters import Publish, publish_letters
from shared.faults import TransientError, describe, is_transient
from shared.kafka import Outgoing
from shared.logs import log_of
from shared.topics import PARTITIONS, TOPICS

HOME = 0
"""Whoever owns this partition deletes letters: two who copy at once would copy twice."""

PAUSE_SECONDS = 0.5
FAULT_PAUSE_SECONDS = 5.0

Letter: TypeAlias = ConsumerRecord[bytes, bytes]
Edges = dict[TopicPartition, tuple[int, int]]
Replayed = Callable[[Sequence[str]], Awaitable[Collection[str]]]

_PLACES = [TopicPartition(topic.dead_letters, number) for topic in TOPICS for number in range(PARTITIONS)]

_log = log_of("letters")


class ErasedWithLetters(Protocol):
    """What is remembered of letters that are to go."""

    async def with_letters(self) -> list[str]:
        """The erased whose dead letters are still to be deleted."""
        ...

    async def letters_deleted(self, keys: Collection[str]) -> None:
        """Nothing is left to be done for these; idempotent."""
        ...


async def purge_letters(
    erasures: ErasedWithLetters, purge: Callable[[Collection[str]], Awaitable[None]], is_ours: Callable[[], bool]
) -> None:
    """Deletes the letters that are to go, if that is this process's work; idempotent."""
    if is_ours() and (keys := await erasures.with_letters()):
        await purge(frozenset(keys))
        await erasures.letters_deleted(keys)


async def keep_purging_letters(
    erasures: ErasedWithLetters, purge: Callable[[Collection[str]], Awaitable[None]], is_ours: Callable[[], bool]
) -> None:
    """Looks for letters that are to go for ever; waits transient faults out."""
    while True:
        pause = PAUSE_SECONDS
        try:
            await purge_letters(erasures, purge, is_ours)
        except Exception as fault:
            if not is_transient(fault):
                raise
            _log.warning("dead letters not deleted", error=describe(fault))
            pause = FAULT_PAUSE_SECONDS
        await asyncio.sleep(pause)


class LetterPurge:
    """Deletes letters, and of the others those that were put back: nobody needs them any more.

    `replayed` tells which of some letters' ids were put back; `is_ours`, whether this process may go on.
    """

    def __init__(
        self, bootstrap_servers: str, publish: Publish, replayed: Replayed, is_ours: Callable[[], bool]
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._publish = publish
        self._replayed = replayed
        self._is_ours = is_ours

    async def __call__(self, keys: Collection[str]) -> None:
        """Returns once no dead letter of these patients can be read; idempotent."""
        async with self._reading() as consumer:
            edges = await _edges(consumer)
            while affected := await self._affected(consumer, edges, keys):
                await self._rewrite(consumer, affected, keys)
                _log.info("dead letters of erased patients deleted", count=len(affected))
                edges = {place: edge for place, edge in (await _edges(consumer)).items() if place in affected}

    async def _affected(self, consumer: AIOKafkaConsumer, edges: Edges, keys: Collection[str]) -> Edges:
        """The partitions that hold such letters, each up to the last of them."""
        found: Edges = {}
        async for place, letters in self._portions(consumer, edges):
            for letter in letters:
                if is_of(letter, keys):
                    found[place] = edges[place][0], letter.offset + 1
        return found

    async def _rewrite(self, consumer: AIOKafkaConsumer, edges: Edges, keys: Collection[str]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        try:
            await admin.start()
            async for place, letters in self._portions(consumer, edges):
                others = {_id(letter): letter for letter in letters if not is_of(letter, keys)}
                for name in await self._replayed(list(others)):
                    others.pop(name, None)
                await publish_letters(self._publish, [_copy(letter) for letter in others.values()])
                await admin.delete_records({place: RecordsToDelete(letters[-1].offset + 1)})
        finally:
            await admin.close()

    async def _portions(
        self, consumer: AIOKafkaConsumer, edges: Edges
    ) -> AsyncIterator[tuple[TopicPartition, Sequence[Letter]]]:
        """All letters between the edges, partition by partition, about a megabyte at once."""
        for place, (begin, end) in edges.items():
            consumer.assign([place])
            consumer.seek(place, begin)
            while await consumer.position(place) < end:
                found = (await consumer.getmany(place, timeout_ms=1_000)).get(place, [])
                if not self._is_ours():
                    raise TransientError("another tracker deletes them from now on")
                if letters := [letter for letter in found if letter.offset < end]:
                    yield place, letters

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where the retention was faster, nothing behind it is skipped
        )
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


def _id(letter: Letter) -> str:
    return f"{letter.topic}:{letter.partition}:{letter.offset}"


def _copy(letter: Letter) -> Outgoing:
    """Its age stays, so that it is not kept any longer."""
    value = b"" if letter.value is None and letter.key is None else letter.value
    headers = [(name, text or b"") for name, text in letter.headers]
    return Outgoing(letter.topic, letter.key, value, headers, letter.partition, letter.timestamp)


async def _edges(consumer: AIOKafkaConsumer) -> Edges:
    """Where the letters of each partition begin and end now; empty ones are left out."""
    consumer.assign(_PLACES)  # so that it knows their leaders
    consumer.pause(*_PLACES)
    begins, ends = await consumer.beginning_offsets(_PLACES), await consumer.end_offsets(_PLACES)
    return {place: (begins[place], ends[place]) for place in _PLACES if ends[place] > begins[place]}
