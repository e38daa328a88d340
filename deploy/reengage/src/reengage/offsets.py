"""Where topics end and how far consumer groups are, as Kafka tells it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from reengage.failures import CommandError
from shared.faults import describe
from shared.topics import RISK_ENGINE_TOPICS, TRACKER_TOPICS

T = TypeVar("T")

Offsets = Mapping[TopicPartition, int]

GROUPS: tuple[tuple[str, str], ...] = (
    *((topic, "risk-engine") for topic in RISK_ENGINE_TOPICS),
    *((topic, "outreach-tracker") for topic in TRACKER_TOPICS),
)
"""Which group reads which topic, the services' work; all that waits there is lag."""

PATIENCE_SECONDS = 10.0
REQUEST_MS = 5_000
PAUSE_SECONDS = 0.1


class Kafka:
    """Reads offsets; never joins a group, never commits."""

    def __init__(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        self.consumer = consumer
        self.admin = admin

    async def partitions(self, topics: Iterable[str]) -> dict[str, list[TopicPartition]]:
        """The partitions of each topic; none when it does not exist."""
        names = list(topics)
        described = await _patiently(lambda: self.admin.describe_topics(names))
        found: dict[str, list[TopicPartition]] = {name: [] for name in names}
        for topic in described:
            numbers = sorted(partition["partition"] for partition in topic["partitions"])
            found[topic["topic"]] = [TopicPartition(topic["topic"], number) for number in numbers]
        return found

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The offset that each partition's next record will have."""
        return await self._edges(topics, self.consumer.end_offsets)

    async def begins(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The offset of each partition's oldest record."""
        return await self._edges(topics, self.consumer.beginning_offsets)

    async def _edges(self, topics: Iterable[str], ask: Callable[[Any], Awaitable[Any]]) -> dict[TopicPartition, int]:
        by_topic = await self.partitions(topics)
        wanted = [partition for partitions in by_topic.values() for partition in partitions]
        if not wanted:
            return {}
        self.consumer.assign(wanted)  # so that it knows their leaders; otherwise it finds out by an error
        self.consumer.pause(*wanted)
        edges: dict[TopicPartition, int] = await _patiently(lambda: ask(wanted))
        return edges

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """The group's committed offsets; partitions without one are left out."""
        found = await _patiently(lambda: self.admin.list_consumer_group_offsets(group))
        return {partition: place.offset for partition, place in found.items() if place.offset >= 0}


@asynccontextmanager
async def open_kafka(bootstrap_servers: str) -> AsyncIterator[Kafka]:
    """A connection for reading; CommandError when Kafka does not answer."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, request_timeout_ms=REQUEST_MS
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_MS)
    try:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await consumer.start()
                await admin.start()
        except (KafkaError, OSError, TimeoutError) as fault:
            raise CommandError(
                f"Kafka at {bootstrap_servers} does not answer ({type(fault).__name__}): is the stack up (`make up`)?"
            ) from None
        yield Kafka(consumer, admin)
    finally:
        await consumer.stop()
        await admin.close()


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, asked again while Kafka is still finding itself (coordinators, leaders)."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except (KafkaError, OSError) as fault:
            if isinstance(fault, KafkaError) and not fault.retriable:
                raise
            if loop.time() > deadline:
                raise CommandError(
                    f"Kafka does not answer ({describe(fault)}): `reengage doctor` looks for it"
                ) from None
        await asyncio.sleep(PAUSE_SECONDS)


def behind(ends: Offsets, begins: Offsets, committed: Offsets, topic: str) -> int:
    """How many records of a topic a group has not committed: a group without offsets begins at the oldest."""
    return sum(
        max(0, end - max(committed.get(partition, 0), begins.get(partition, 0)))
        for partition, end in ends.items()
        if partition.topic == topic
    )
