"""Publishes the load while everything breaks, and remembers what Kafka acknowledged; a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from faults.events import Told
from integration.shared.reading import read_topic
from shared.kafka import KeyedProducer, Outgoing, PublishingError
from shared.topics import PARTITIONS, TOPICS

T = TypeVar("T")
Place = tuple[str, int]
"""A topic and one of its partitions."""

CHUNK = 40
GROUPS = {topic.name: topic.consumers[0] for topic in TOPICS}
"""By topic: the group that stores its records."""


@dataclass
class Acknowledged:
    """What Kafka said that it has, by partition and offset."""

    by_place: dict[Place, dict[int, Told]] = field(default_factory=dict)
    count: int = 0

    def note(self, told: Told, partition: int, offset: int) -> None:
        self.by_place.setdefault((told.topic, partition), {})[offset] = told
        self.count += 1


class Publisher:
    """`release` what to publish; it is repeated until it is acknowledged."""

    def __init__(self, kafka_address: str) -> None:
        self._address = kafka_address
        self.acknowledged = Acknowledged()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="publisher", daemon=True)
        self._producer: KeyedProducer | None = None
        self._under_way: list[Future[None]] = []

    def start(self) -> None:
        self._thread.start()
        self._producer = self.ask(self._connect())

    def stop(self) -> None:
        assert self._producer is not None
        self.ask(self._producer.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def release(self, told: Sequence[Told]) -> None:
        """Begins to publish these; records of one key in this order."""
        self._under_way.append(asyncio.run_coroutine_threadsafe(self._publish(list(told)), self._loop))

    def finish(self, within: float) -> None:
        """Returns when all that was released is acknowledged."""
        for work in self._under_way:
            work.result(within)
        self._under_way.clear()

    def ask(self, question: Coroutine[Any, Any, T], within: float = 60.0) -> T:
        """The answer of a coroutine, from the publisher's loop."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(within)

    def committed(self) -> dict[Place, int]:
        """What the groups that store records have committed (`GROUPS`); empty when Kafka does not say."""
        try:
            return self.ask(self._committed())
        except (KafkaError, OSError, TimeoutError):
            return {}

    def ends(self) -> dict[Place, int]:
        """How long the partitions are."""
        return self.ask(self._ends())

    def records(self, topic: str) -> list[Any]:
        """All that is in a topic."""
        return self.ask(read_topic(self._address, topic), 120)

    # ------------------------------------------------------------------ in the loop

    async def _connect(self) -> KeyedProducer:
        producer = KeyedProducer(self._address, client_id="load", patience=8.0)
        await producer.start()
        return producer

    async def _publish(self, told: list[Told]) -> None:
        assert self._producer is not None
        for first in range(0, len(told), CHUNK):
            chunk = told[first : first + CHUNK]
            while True:
                try:
                    places = await self._producer.publish_all(
                        [Outgoing(one.topic, one.key, one.value, (("mark", b"load"),)) for one in chunk]
                    )
                except PublishingError:
                    await asyncio.sleep(0.3)
                    continue
                break
            for one, place in zip(chunk, places, strict=True):
                self.acknowledged.note(one, place.partition, place.offset)
            await asyncio.sleep(0.05)

    async def _committed(self) -> dict[Place, int]:
        found: dict[Place, int] = {}
        admin = AIOKafkaAdminClient(bootstrap_servers=self._address, request_timeout_ms=8_000)
        try:
            await asyncio.wait_for(admin.start(), 10)
            for group in sorted(set(GROUPS.values())):
                offsets = await asyncio.wait_for(admin.list_consumer_group_offsets(group), 10)
                # The tracker reads contacts, too, for the erasures in them: what it has committed says nothing here.
                own = {p: meta for p, meta in offsets.items() if GROUPS.get(p.topic) == group and meta.offset >= 0}
                found.update({(p.topic, p.partition): meta.offset for p, meta in own.items()})
        finally:
            await admin.close()
        return found

    async def _ends(self) -> dict[Place, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address)
        await consumer.start()
        try:
            places = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(PARTITIONS)]
            return {(p.topic, p.partition): end for p, end in (await consumer.end_offsets(places)).items()}
        finally:
            await consumer.stop()


def value_of(record: Any) -> Any:
    """A record's JSON, or its bytes."""
    try:
        return json.loads(record.value)
    except ValueError:
        return record.value
