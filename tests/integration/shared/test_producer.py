"""What the producer promises, on a real broker."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from integration.shared.conftest import ReadAll
from shared.faults import StatedError
from shared.kafka import KeyedProducer, Outgoing, PublishingError, ensure_topics
from shared.topics import DAYS, PARTITIONS, Topic
from support.eventually import eventually


async def test_topics_are_created_once_with_their_dead_letters(
    kafka_bootstrap: str, topic: Topic, read_all: ReadAll
) -> None:
    await asyncio.gather(*(ensure_topics(kafka_bootstrap, [topic]) for _ in range(3)))
    other = Topic(f"{topic.name}_other", "a test", ("a test",), (), DAYS, compacted=True)
    await asyncio.gather(*(ensure_topics(kafka_bootstrap, [topic, other]) for _ in range(3)))
    assert await read_all(other.name) == await read_all(other.dead_letters) == []


async def test_topics_that_exist_get_the_settings_and_keep_their_others(kafka_bootstrap: str, topic: Topic) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()

    async def settings_are(wanted: Mapping[str, str]) -> None:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)])
        settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        assert {name: settings[name] for name in wanted} == wanted

    own = {"max.message.bytes": "300000", "retention.ms": "7000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, own)])
    await eventually(lambda: settings_are(own))
    compacted = replace(topic, compacted=True, retention_ms=2 * DAYS)
    await ensure_topics(kafka_bootstrap, [compacted])
    await eventually(lambda: settings_are(compacted.configs | {"max.message.bytes": "300000"}))
    await admin.close()


async def test_a_topic_with_other_partitions_is_refused(kafka_bootstrap: str, topic: Topic, unique_name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{unique_name}_few", 3, 1)])
    await admin.close()
    with pytest.raises(StatedError, match="has 3 partitions; it must have 12"):
        await ensure_topics(kafka_bootstrap, [topic, Topic(f"{unique_name}_few", "a test", (), (), DAYS)])


async def test_records_of_one_key_keep_their_order(topic: Topic, producer: KeyedProducer, read_all: ReadAll) -> None:
    tasks = [producer.publish(topic.name, b"k%d" % (n % 7), b"%d" % n) for n in range(500)]
    await asyncio.gather(*tasks)
    for key in range(7):
        values = [int(record.value) for record in await read_all(topic.name) if record.key == b"k%d" % key]
        assert values == sorted(values)


async def test_places_are_returned_in_the_order_of_the_records(topic: Topic, producer: KeyedProducer) -> None:
    places = await producer.publish_all(Outgoing(topic.name, b"same", b"%d" % n) for n in range(50))
    assert [place.offset for place in places] == list(range(50))


async def test_a_record_that_kafka_refuses_harms_no_later_one(
    kafka_bootstrap: str, unique_name: str, producer: KeyedProducer, read_all: ReadAll
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(unique_name, PARTITIONS, 1, topic_configs={"max.message.bytes": "1048588"})])
    await admin.close()
    await producer.publish(unique_name, b"k", b"first")
    too_large_for_us, too_large_for_kafka = b"x" * (5 * 2**20), b"x" * (2 * 2**20)
    for value in (too_large_for_us, too_large_for_kafka):
        with pytest.raises(MessageSizeTooLargeError):
            await producer.publish(unique_name, b"k", value)
    await producer.publish(unique_name, b"k", b"fine")
    assert [record.value for record in await read_all(unique_name)] == [b"first", b"fine"]


async def test_null_values_are_published_as_such(topic: Topic, producer: KeyedProducer, read_all: ReadAll) -> None:
    await producer.publish(topic.name, b"k", None)
    assert [record.value for record in await read_all(topic.name)] == [None]


async def test_a_kafka_that_is_away_is_not_waited_for_for_ever() -> None:
    producer = KeyedProducer("127.0.0.1:9", patience=0.5)
    with pytest.raises(PublishingError):
        await producer.publish("t", b"k", b"v")
    with pytest.raises(TimeoutError):
        await ensure_topics("127.0.0.1:9", [Topic("t", "x", (), (), DAYS)], patience=0.5)
    await producer.stop()
