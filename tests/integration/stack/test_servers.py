"""The servers under the tests: real, and able to do what the services rely on."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from pymongo import AsyncMongoClient


async def test_kafka_keeps_a_record_of_a_mebibyte_in_its_partition(kafka_bootstrap, unique_name):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(unique_name, 12, 1, topic_configs={"max.message.bytes": "2097152"})])
    finally:
        await admin.close()
    value = b"x" * 1024 * 1024
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, enable_idempotence=True, max_request_size=2_097_152
    ) as producer:
        sent = await producer.send_and_wait(unique_name, value, key=b"org_a:1")
    async with AIOKafkaConsumer(
        unique_name, bootstrap_servers=kafka_bootstrap, group_id=unique_name, auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    assert (record.partition, record.key, record.value) == (sent.partition, b"org_a:1", value)


async def test_kafka_makes_no_topic_by_itself(kafka_bootstrap, unique_name):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        asked = await admin.describe_topics([unique_name])
        assert asked[0]["error_code"] == UnknownTopicOrPartitionError.errno
        assert unique_name not in await admin.list_topics()
    finally:
        await admin.close()


async def test_mongodb_has_transactions(mongodb_uri, unique_name):
    async with AsyncMongoClient(mongodb_uri) as client:
        things = client[unique_name]["things"]
        await things.insert_one({"_id": 1})
        async with client.start_session() as session, await session.start_transaction():
            await things.insert_one({"_id": 2}, session=session)
            await session.abort_transaction()
        assert [thing["_id"] async for thing in things.find()] == [1]
        await client.drop_database(unique_name)
