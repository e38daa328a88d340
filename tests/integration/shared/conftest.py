"""A topic of its own for each test, and what is in its dead-letter topic."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord

from integration.shared.reading import read_topic
from shared.kafka import KeyedProducer, ensure_topics
from shared.topics import DAYS, Topic

ReadAll = Callable[[str], Awaitable[list[ConsumerRecord]]]


@pytest.fixture
async def topic(kafka_bootstrap: str, unique_name: str) -> Topic:
    topic = Topic(unique_name, "a test", ("a test",), (), DAYS)
    await ensure_topics(kafka_bootstrap, [topic])
    return topic


@pytest.fixture
async def other_topic(kafka_bootstrap: str, topic: Topic) -> Topic:
    other = replace(topic, name=f"{topic.name}_other")
    await ensure_topics(kafka_bootstrap, [other])
    return other


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
        return await read_topic(kafka_bootstrap, name)

    return read
