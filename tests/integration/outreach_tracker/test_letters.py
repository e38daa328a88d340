"""Letters of the erased go, and nobody else's; on a real Kafka and MongoDB."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any, get_args

import orjson
import pytest
from aiokafka import ConsumerRecord

from integration.shared.reading import read_topic
from outreach_tracker.erasures import MongoErasures
from outreach_tracker.letters import LetterPurge
from shared.erasure import erasure_id
from shared.faults import TransientError
from shared.kafka import KeyedProducer, Outgoing, ensure_topics
from shared.mongo import Database, open_database_client
from shared.settings import Driver
from shared.topics import OUTREACH_EVENTS, dead_letters_of

TOPIC = dead_letters_of(OUTREACH_EVENTS)
YESTERDAY_MS = 1_795_600_000_000


@pytest.fixture(params=get_args(Driver))
async def database(mongodb_uri: str, unique_name: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    client = open_database_client(mongodb_uri, request.param)
    yield client[unique_name]
    await client.drop_database(unique_name)
    await client.close()


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[KeyedProducer]:
    await ensure_topics(kafka_bootstrap)
    producer = KeyedProducer(kafka_bootstrap)
    yield producer
    await producer.stop()


class Publisher:
    """Counts what is asked of Kafka, and loses it from some time on."""

    def __init__(self, producer: KeyedProducer, lasts: int = 10**9) -> None:
        self.producer = producer
        self.lasts = lasts
        self.calls = 0

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        self.calls += 1
        await self.producer.publish_all(records)
        if self.calls >= self.lasts:
            raise TransientError("killed")


async def none_replayed(letters: Sequence[str]) -> Collection[str]:
    return []


def letter(patient: str, number: int, *, size: int = 0, key: bytes | None = None) -> Outgoing:
    value = b"%d " % number + b"x" * size
    own = [("dlq-error", b"InvalidEvent: a rule"), ("mine", b"\xff")]
    return Outgoing(TOPIC, key or patient.encode(), value, own, 3, YESTERDAY_MS)


async def letters_of(kafka_bootstrap: str, organization: str) -> list[ConsumerRecord[Any, Any]]:
    return [one for one in await read_topic(kafka_bootstrap, TOPIC) if one.key.startswith(organization.encode())]


async def test_others_letters_stay_as_they_were_and_are_copied_many_at_once(
    kafka_bootstrap: str, producer: KeyedProducer, unique_name: str
) -> None:
    gone, other = f"{unique_name}:gone", f"{unique_name}:other"
    told = orjson.dumps({"data": {"organization_id": unique_name, "patient_id": "gone"}})
    await producer.publish_all(
        [
            *(letter(other, number) for number in range(3_000)),
            letter(gone, 0),
            Outgoing(TOPIC, f"{unique_name}:no-key-of-anybody".encode(), told, (), 3),
            *(letter(other, number) for number in range(3_000, 3_100)),
        ]
    )
    before = await letters_of(kafka_bootstrap, unique_name)
    publisher = Publisher(producer)
    await LetterPurge(kafka_bootstrap, publisher.publish_all, none_replayed, lambda: True)([gone])
    after = await letters_of(kafka_bootstrap, unique_name)
    numbers = [int(one.value) for one in after]
    assert sorted(numbers) == list(range(3_100))
    assert {one.key for one in after} == {other.encode()}
    assert {(one.partition, one.timestamp, one.headers) for one in after} == {
        (one.partition, one.timestamp, one.headers) for one in before if one.key == other.encode()
    }
    assert numbers[:100] == list(range(3_000, 3_100)), "what lies behind the last is not copied"
    assert publisher.calls < 30
    await LetterPurge(kafka_bootstrap, publisher.publish_all, none_replayed, lambda: True)([gone])
    assert [one.offset for one in await letters_of(kafka_bootstrap, unique_name)] == [one.offset for one in after]


async def test_a_crash_repeats_one_portion_at_the_most(
    kafka_bootstrap: str, producer: KeyedProducer, unique_name: str
) -> None:
    gone, other = f"{unique_name}:gone", f"{unique_name}:other"
    letters = [letter(other, number, size=100_000) for number in range(100)]
    for first in range(0, 100, 20):
        await producer.publish_all(letters[first : first + 20])
    await producer.publish_all([letter(gone, 0)])
    for _ in range(2):
        dying = Publisher(producer, lasts=3)
        with pytest.raises(TransientError):
            await LetterPurge(kafka_bootstrap, dying.publish_all, none_replayed, lambda: True)([gone])
    await LetterPurge(kafka_bootstrap, producer.publish_all, none_replayed, lambda: True)([gone])
    after = [int(one.value.split()[0]) for one in await letters_of(kafka_bootstrap, unique_name)]
    assert set(after) == set(range(100))
    assert 100 < len(after) <= 100 + 2 * 12


async def test_who_loses_the_partition_stops(kafka_bootstrap: str, producer: KeyedProducer, unique_name: str) -> None:
    await producer.publish_all([letter(f"{unique_name}:gone", 0)])
    with pytest.raises(TransientError):
        await LetterPurge(kafka_bootstrap, producer.publish_all, none_replayed, lambda: False)([f"{unique_name}:gone"])
    assert len(await letters_of(kafka_bootstrap, unique_name)) == 1


async def test_what_was_put_back_is_not_copied(kafka_bootstrap: str, producer: KeyedProducer, unique_name: str) -> None:
    gone, other = f"{unique_name}:gone", f"{unique_name}:other"
    await producer.publish_all([letter(other, 1), letter(other, 2), letter(gone, 0)])
    first, second, _ = await letters_of(kafka_bootstrap, unique_name)

    async def replayed(letters: Sequence[str]) -> Collection[str]:
        ids = {f"{TOPIC}:3:{first.offset}", f"{TOPIC}:3:{second.offset + 100}"}
        return ids & set(letters)

    await LetterPurge(kafka_bootstrap, producer.publish_all, replayed, lambda: True)([gone])
    assert [int(one.value) for one in await letters_of(kafka_bootstrap, unique_name)] == [2]


async def test_the_marker_that_the_operator_waits_for_comes_with_the_last_letter_gone(database: Database) -> None:
    erasures, key = MongoErasures(database), "org_x:p1"
    await database["patients"].insert_one({"_id": key, "organization_id": "org_x"})
    await erasures.erase("org_x", [key])
    await erasures.erase("org_x", [key])
    assert await database["patients"].count_documents({}) == 0
    assert await database["erasures"].count_documents({}) == 0
    assert await erasures.with_letters() == [key]
    assert await erasures.erased([key, "org_x:p2"]) == {key}
    await erasures.letters_deleted([key])
    await erasures.letters_deleted([key])
    assert await erasures.with_letters() == []
    assert await erasures.erased([key, "org_x:p2"]) == {key}
    (marker,) = await database["erasures"].find({}).to_list()
    assert marker == {"_id": erasure_id(key), "organization_id": "org_x"}
    assert await erasures.erased([]) == set()
