"""A topic of its own for each test, and what is in its dead-letter topic."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka import KeyedProducer, ensure_topics
from shared.topics import DAYS, PARTITIONS, Topic

ReadAll = Callable[[str], Awaitable[list[ConsumerRecord]]]


@pytest.fixture
async def topic(kafka_bootstrap: str, unique_name: str) -> Topic:
    topic = Topic(unique_name, "a test", ("a test",), (), DAYS)
    await ensure_topics(kafka_bootstrap, [topic])
    return topic


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[KeyedProducer]:
    producer = KeyedProducer(kafka_bootstrap, patience=10)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
def read_all(kafka_bootstrap: str) -> ReadAll:
    """Reads everything that is in a topic now, partition by partition."""

    async def read(name: str) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            while any([await consumer.position(one) < ends[one] for one in partitions]):
                batches = await consumer.getmany(timeout_ms=100)
                found += [record for records in batches.values() for record in records]
            return sorted(found, key=lambda record: (record.partition, record.offset))
        finally:
            await consumer.stop()

    return read
