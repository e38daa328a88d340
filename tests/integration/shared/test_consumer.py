"""What the consumer promises, on a real broker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.partitioner import murmur2

from integration.shared.conftest import ReadAll
from shared.clock import SystemClock
from shared.consumer import Consumer, DeadLetter, Handler, Record, create_consumer
from shared.faults import TransientError
from shared.isolation import Patience
from shared.kafka import KeyedProducer, Outgoing
from shared.topics import PARTITIONS, Topic
from support.eventually import eventually

Start = Callable[..., Any]


class Handled:
    """A handler that keeps what it was given, and fails as told."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.batches = 0
        self.transient = 0
        self.poison: set[bytes] = set()
        self.invalid: set[bytes] = set()

    async def __call__(self, records: Sequence[Record]) -> list[DeadLetter]:
        self.batches += 1
        if self.transient:
            self.transient -= 1
            raise TransientError("MongoDB is away")
        if any(record.value in self.poison for record in records):
            raise KeyError("secret")
        self.values += [record.value for record in records]
        return [DeadLetter.invalid(record, "a rule") for record in records if record.value in self.invalid]

    def all_of(self, expected: Sequence[bytes]) -> Callable[[], None]:
        def check() -> None:
            assert set(self.values) >= set(expected)

        return check


@pytest.fixture
async def start(kafka_bootstrap: str, topic: Topic, producer: KeyedProducer) -> AsyncIterator[Start]:
    running: list[Consumer] = []

    async def start(handle: Handler, fail: Callable[[BaseException], None] = pytest.fail, **more: Any) -> Consumer:
        consumer = create_consumer(
            kafka_bootstrap,
            [topic.name, *more.pop("others", ())],
            group=topic.name,
            handle=handle,
            producer=producer,
            clock=SystemClock(),
            fail=fail,
            patience=Patience(total=0.5, first=0.01, longest=0.05),
            **more,
        )
        running.append(consumer)
        await consumer.start()
        return consumer

    yield start
    for consumer in running:
        await consumer.stop()


@pytest.fixture
def committed(kafka_bootstrap: str, topic: Topic) -> Callable[[], Any]:
    async def read() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, group_id=topic.name, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic.name, number) for number in range(PARTITIONS)])
            offsets = [await consumer.committed(TopicPartition(topic.name, number)) for number in range(PARTITIONS)]
            return sum(offset or 0 for offset in offsets)
        finally:
            await consumer.stop()

    return read


@pytest.fixture
def ends(kafka_bootstrap: str, topic: Topic) -> Callable[[], Any]:
    async def read() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
        await consumer.start()
        try:
            partitions = [TopicPartition(topic.name, number) for number in range(PARTITIONS)]
            return sum((await consumer.end_offsets(partitions)).values())
        finally:
            await consumer.stop()

    return read


def partition_of(key: bytes) -> int:
    return int((murmur2(key) & 0x7FFFFFFF) % PARTITIONS)


async def publish(producer: KeyedProducer, topic: Topic, count: int, first: int = 0, **more: Any) -> list[bytes]:
    values = [b"v%d" % number for number in range(first, first + count)]
    await producer.publish_all(Outgoing(topic.name, b"k%d" % (int(v[1:]) % 50), v, **more) for v in values)
    return values


async def test_all_records_are_handled_in_batches_and_committed(
    start: Start, topic: Topic, producer: KeyedProducer, committed: Callable[[], Any]
) -> None:
    values = await publish(producer, topic, 3_000)
    handled = Handled()
    consumer = await start(handled)
    await eventually(handled.all_of(values))
    assert len(handled.values) == 3_000
    assert handled.batches < 100
    assert consumer.not_ready() == []
    assert consumer.not_live() == []
    assert len(consumer.assigned) == PARTITIONS

    await consumer.stop()
    assert await committed() == 3_000
    again = Handled()
    await start(again)
    more = await publish(producer, topic, 10, first=3_000)
    await eventually(again.all_of(more))
    assert sorted(again.values) == sorted(more)


async def test_what_a_transaction_took_back_is_not_handled_and_nothing_of_it_stays_behind(
    start: Start, topic: Topic, kafka_bootstrap: str, committed: Callable[[], Any], ends: Callable[[], Any]
) -> None:
    handled = Handled()
    await start(handled)
    publisher = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topic.name)
    await publisher.start()
    try:
        await publisher.begin_transaction()
        for number in range(40):
            await publisher.send(topic.name, b"taken back", b"k%d" % number)
        await publisher.abort_transaction()
        async with publisher.transaction():
            await publisher.send_and_wait(topic.name, b"told", b"k1")
        await publisher.begin_transaction()
        await publisher.send_and_wait(topic.name, b"open", b"k2")
        await eventually(handled.all_of([b"told"]))
        await publisher.abort_transaction()
    finally:
        await publisher.stop()

    async def nothing_behind() -> None:
        assert await committed() == await ends()

    await eventually(nothing_behind)
    assert handled.values == [b"told"]


async def test_the_topic_that_comes_first_does_not_wait_for_a_backlog_of_the_others(
    start: Start, topic: Topic, producer: KeyedProducer
) -> None:
    backlog = [Outgoing(topic.dead_letters, b"k%d" % number, b"x" * 1_000) for number in range(6_000)]
    await producer.publish_all(backlog)
    values = await publish(producer, topic, 20)
    order: list[str] = []

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        order.extend(record.topic for record in records)
        await asyncio.sleep(0.2)  # so that all partitions are fetched meanwhile
        return []

    def all_came() -> None:
        assert len(order) == len(backlog) + len(values)

    await start(handle, first=topic.name, others=[topic.dead_letters], max_records=500)
    await eventually(all_came, within=30)
    last = len(order) - 1 - order[::-1].index(topic.name)
    assert last < len(backlog) / 2


@pytest.mark.parametrize(
    ("different_keys", "trickle"),
    [(1_000, False), (1_000, True), (1, False), (1, True)],
    ids=["alone", "beside a trickle", "in one partition", "in one partition, beside a trickle"],
)
async def test_a_backlog_of_several_topics_comes_at_an_even_pace(
    start: Start,
    topic: Topic,
    other_topic: Topic,
    producer: KeyedProducer,
    different_keys: int,
    trickle: bool,
) -> None:
    keys = [b"k%d" % (number % different_keys) for number in range(1_000)]
    for count in range(4):  # one record of each key in one topic, four in the other
        await producer.publish_all([Outgoing(topic.dead_letters, key, b"x" * 500) for key in keys])
        if not count:
            await producer.publish_all([Outgoing(topic.name, key, b"x" * 500) for key in keys])
    batches: list[Counter[tuple[int, str]]] = []

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        batches.append(Counter((record.partition, record.topic) for record in records))
        if trickle:
            await publish(producer, other_topic, 1)
        await asyncio.sleep(0.2)  # so that all partitions are fetched meanwhile
        return []

    def all_came() -> None:
        came = sum(count for batch in batches for (_, name), count in batch.items() if name != other_topic.name)
        assert came == 5 * len(keys)

    first = {"first": other_topic.name} if trickle else {}
    await start(handle, others=[topic.dead_letters, other_topic.name], max_records=300, **first)
    await eventually(all_came, within=30)
    assert trickle == any(name == other_topic.name for batch in batches for _, name in batch)
    shares = []
    for batch in batches:
        for number in range(PARTITIONS):
            one, four = batch[number, topic.name], batch[number, topic.dead_letters]
            if one + four >= 100:
                shares.append(one / (one + four))
    assert sum(0.1 < share < 0.3 for share in shares) > len(shares) / 2, shares


async def test_what_came_of_some_partitions_is_not_lost_when_kafka_fails_for_the_next(
    start: Start, topic: Topic, producer: KeyedProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, found, failed = AIOKafkaConsumer.getmany, 0, 0

    async def getmany(self: AIOKafkaConsumer, *partitions: TopicPartition, **options: Any) -> Any:
        nonlocal found, failed
        if partitions and found == 3:
            found = 0
            failed += 1
            raise KafkaError("of this partition")
        answer = await ask(self, *partitions, **options)
        found = found + 1 if partitions and answer else 0
        return answer

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    backlog = [b"x%d" % number for number in range(3_000)]
    await producer.publish_all([Outgoing(topic.dead_letters, value, value) for value in backlog])
    values = await publish(producer, topic, 1_000)
    handled = Handled()
    await start(handled, others=[topic.dead_letters], max_records=200)
    await eventually(handled.all_of([*backlog, *values]), within=30)
    assert failed > 1


async def test_little_of_the_first_topic_is_handled_by_itself_and_the_others_have_every_other_turn(
    start: Start, topic: Topic, producer: KeyedProducer
) -> None:
    backlog = [Outgoing(topic.dead_letters, b"k%d" % number, b"x") for number in range(2_000)]
    await producer.publish_all(backlog)
    batches: list[Counter[str]] = []

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        batches.append(Counter(record.topic for record in records))
        await publish(producer, topic, 1)  # there is always some
        await asyncio.sleep(0.1)
        return []

    def all_came() -> None:
        assert sum(batch[topic.dead_letters] for batch in batches) == len(backlog)

    await start(handle, first=topic.name, others=[topic.dead_letters], max_records=100)
    await eventually(all_came, within=60)
    by_themselves = sum(batch.keys() == {topic.name} for batch in batches)
    assert len(backlog) / 100 / 2 < by_themselves <= len(batches) / 2 + 5, "5: before the others are fetched"


async def test_what_came_of_the_first_topic_is_not_lost_when_kafka_fails_for_the_others(
    start: Start, topic: Topic, producer: KeyedProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, found, failures = AIOKafkaConsumer.getmany, False, 0

    async def getmany(self: AIOKafkaConsumer, *partitions: TopicPartition, **options: Any) -> Any:
        nonlocal found, failures
        if found and len(partitions) > 1:
            found = False
            failures += 1
            raise KafkaError("of another partition")
        answer = await ask(self, *partitions, **options)
        found = found or bool(answer)
        return answer

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    values = await publish(producer, topic, 200)
    handled = Handled()
    await start(handled, first=topic.name, max_records=20)
    await eventually(handled.all_of(values), within=20)
    assert failures


@pytest.mark.parametrize("topic_first", [False, True])
async def test_a_damaged_batch_takes_nothing_from_other_partitions_and_does_not_keep_them_waiting(
    start: Start, topic: Topic, producer: KeyedProducer, monkeypatch: pytest.MonkeyPatch, topic_first: bool
) -> None:
    mended, fails, unpack = False, 0, PartitionRecords.__next__

    def damaged(self: PartitionRecords) -> Any:
        nonlocal fails
        if self._tp.partition == 3 and not mended:
            fails += 1
            raise CorruptRecordException("as a test wants it")
        return unpack(self)

    monkeypatch.setattr(PartitionRecords, "__next__", damaged)
    handled: list[Record] = []

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        handled.extend(records)
        return []

    def came(partitions: Container[int]) -> None:
        values = [record.value for record in handled]
        assert len(values) == len(set(values)), "nothing twice"
        assert set(values) >= {value for value in backlog if partition_of(value) in partitions}

    backlog = [b"v%d" % number for number in range(2_000)]
    await producer.publish_all([Outgoing(topic.name, value, value) for value in backlog])
    others = [number for number in range(PARTITIONS) if number != 3]
    await start(handle, max_records=200, **({"first": topic.name} if topic_first else {}))
    await eventually(lambda: came(others), within=20)
    backlog += [b"w%d" % number for number in range(100)]
    await producer.publish_all([Outgoing(topic.name, value, value) for value in backlog[-100:]])
    await eventually(lambda: came(others), within=20)
    assert fails > 1
    assert not [record for record in handled if record.partition == 3]
    mended = True
    await eventually(lambda: came(range(PARTITIONS)), within=30)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_whoever_publishes_may_compress(start: Start, topic: Topic, kafka_bootstrap: str, codec: str) -> None:
    handled = Handled()
    values = [b"v%d" % number for number in range(100)]
    publisher = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, compression_type=codec)
    await publisher.start()
    try:
        await asyncio.gather(*[await publisher.send(topic.name, value, key=value) for value in values])
    finally:
        await publisher.stop()
    await start(handled)
    await eventually(handled.all_of(values), within=20)


async def test_headers_that_are_no_text_harm_nobody(start: Start, topic: Topic, producer: KeyedProducer) -> None:
    handled = Handled()
    values = await publish(producer, topic, 5, headers=[("reply_to", b"\xff"), ("correlation_id", b"\xfe")])
    values += await publish(producer, topic, 5, first=5)
    await start(handled)
    await eventually(handled.all_of(values))


async def test_a_dead_letter_is_stored_before_its_batch_is_committed(
    start: Start, topic: Topic, producer: KeyedProducer, read_all: ReadAll
) -> None:
    handled = Handled()
    handled.invalid = {b"v3", b"v4"}
    values = await publish(producer, topic, 10)
    await start(handled)
    await eventually(handled.all_of(values))

    async def set_aside() -> None:
        assert sorted(record.value for record in await read_all(topic.dead_letters)) == [b"v3", b"v4"]

    await eventually(set_aside)


@pytest.mark.parametrize("huge", ["key", "value", "headers"])
async def test_a_record_that_was_small_only_when_compressed_is_set_aside_cut(
    huge: str, kafka_bootstrap: str, start: Start, topic: Topic, producer: KeyedProducer, read_all: ReadAll
) -> None:
    parts: dict[str, Any] = {"key": b"k", "value": b"huge", "headers": [("mine", b"h")]}
    parts[huge] = [("mine", b"h" * 5_000_000)] if huge == "headers" else b"huge" * 1_250_000
    stranger = AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, compression_type="gzip", max_request_size=16 * 2**20, max_batch_size=2**24
    )
    await stranger.start()
    await stranger.send_and_wait(topic.name, **parts)
    await stranger.stop()
    handled = Handled()
    handled.invalid = {parts["value"]}
    await start(handled)

    async def set_aside() -> None:
        (letter,) = await read_all(topic.dead_letters)
        assert parts["key"].startswith(letter.key)
        assert parts["value"].startswith(letter.value)
        assert ("mine" in dict(letter.headers)) == (huge != "headers")
        assert int(dict(letter.headers)["dlq-truncated"]) > 5_000_000

    await eventually(set_aside, within=20)


async def test_a_transient_fault_loses_nothing_and_sets_nothing_aside(
    start: Start, topic: Topic, producer: KeyedProducer, read_all: ReadAll
) -> None:
    handled = Handled()
    handled.transient = 25  # longer than the patience: the batch is put back in between
    values = await publish(producer, topic, 500)
    consumer = await start(handled)

    def says_so() -> None:
        assert any(why.endswith(" s: TransientError: MongoDB is away") for why in consumer.not_ready())

    await eventually(says_so)
    await eventually(handled.all_of(values))
    assert handled.transient == 0

    def ready() -> None:
        assert consumer.not_ready() == []

    await eventually(ready)
    assert await read_all(topic.dead_letters) == []


async def test_a_record_that_our_code_fails_on_is_found_and_set_aside(
    start: Start, topic: Topic, producer: KeyedProducer, read_all: ReadAll
) -> None:
    handled = Handled()
    handled.poison = {b"v77"}
    values = await publish(producer, topic, 300)
    await start(handled)
    await eventually(handled.all_of([value for value in values if value != b"v77"]))

    async def set_aside() -> None:
        (letter,) = await read_all(topic.dead_letters)
        headers = dict(letter.headers)
        assert (letter.key, letter.value) == (b"k27", b"v77")
        assert headers["dlq-error"] == b"KeyError: unexpected"
        assert int(headers["dlq-attempts"]) >= 3

    await eventually(set_aside)


async def test_when_most_records_fail_the_service_stops_and_nothing_is_lost(
    start: Start, topic: Topic, producer: KeyedProducer, read_all: ReadAll, committed: Callable[[], Any]
) -> None:
    values = await publish(producer, topic, 400)
    broken = Handled()
    broken.poison = set(values)
    faults: list[BaseException] = []
    consumer = await start(broken, faults.append)

    def failed() -> None:
        assert faults

    await eventually(failed, within=30)
    (why,) = consumer.not_ready()
    assert "stopped by FailureLimitError: of the last" in why
    await consumer.stop()
    assert await read_all(topic.dead_letters) == []
    assert await committed() == 0
    mended = Handled()
    await start(mended)
    await eventually(mended.all_of(values))


async def test_partitions_are_shared_and_taken_over_without_loss_or_repeats(
    start: Start, topic: Topic, producer: KeyedProducer
) -> None:
    handled = Handled()
    changes: list[tuple[str, int]] = []
    first = await start(
        handled,
        on_assigned=lambda partitions: changes.append(("assigned", len(partitions))),
        on_revoked=lambda partitions: changes.append(("revoked", len(partitions))),
    )
    values = await publish(producer, topic, 1_000)
    second = await start(handled)

    def shared() -> None:
        assert len(first.assigned) == len(second.assigned) == PARTITIONS // 2
        assert not first.assigned & second.assigned

    await eventually(shared, within=20)
    values += await publish(producer, topic, 1_000, first=1_000)
    await eventually(handled.all_of(values))
    await second.stop()

    def taken_over() -> None:
        assert len(first.assigned) == PARTITIONS

    await eventually(taken_over, within=20)
    values += await publish(producer, topic, 1_000, first=2_000)
    await eventually(handled.all_of(values))
    assert len(handled.values) == 3_000
    assert ("revoked", PARTITIONS) in changes
    assert ("assigned", PARTITIONS // 2) in changes


async def test_a_batch_in_hand_is_finished_and_committed_before_its_partitions_go(
    start: Start, topic: Topic, producer: KeyedProducer
) -> None:
    handled, begun, go_on = Handled(), asyncio.Event(), asyncio.Event()

    async def slow(records: Sequence[Record]) -> Sequence[DeadLetter]:
        begun.set()
        await go_on.wait()
        return await handled(records)

    values = await publish(producer, topic, 200)
    revoked = asyncio.Event()
    first = await start(slow, on_revoked=lambda partitions: revoked.set())
    await begun.wait()
    revoked.clear()
    joining = asyncio.create_task(start(handled))
    await asyncio.wait([joining, asyncio.create_task(revoked.wait())], timeout=4)
    assert not revoked.is_set()
    assert first.assigned
    go_on.set()
    second = await joining

    def shared() -> None:
        assert len(first.assigned) == len(second.assigned) == PARTITIONS // 2

    await eventually(shared, within=20)
    await eventually(handled.all_of(values))
    assert sorted(handled.values) == sorted(values)
