"""Records into Kafka, and how far a group has come with them."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment as MemberAssignment

from bench.load import Record
from shared.topic_setup import ensure_topics

POLL_SECONDS = 0.03
IN_FLIGHT = 5_000


async def publish(bootstrap_servers: str, records: Iterable[Record]) -> int:
    """Publishes all of them, acknowledged; how many there were."""
    await ensure_topics(bootstrap_servers)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=10, max_batch_size=256_000
    )
    await producer.start()
    count = 0
    try:
        waiting: list[asyncio.Future[object]] = []
        for record in records:
            waiting.append(await producer.send(record.topic, record.value, key=record.key))
            count += 1
            if len(waiting) >= IN_FLIGHT:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    return count


@dataclass
class Progress:
    """How far a group was, when."""

    samples: list[tuple[float, int]]

    def rate(self) -> float:
        """Records a second from the first commit that was seen to the last."""
        (began, first), (ended, last) = self.first, self.samples[-1]
        return (last - first) / max(ended - began, 1e-9)

    @property
    def first(self) -> tuple[float, int]:
        """The first sample with a change."""
        nothing = self.samples[0][1]
        return next(sample for sample in self.samples if sample[1] > nothing)


class Group:
    """The committed offsets of a consumer group, all topics together."""

    def __init__(self, bootstrap_servers: str, name: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        self._name = name

    async def __aenter__(self) -> "Group":
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()

    async def committed(self) -> int:
        """Records that were committed since the topics began."""
        offsets = await self._admin.list_consumer_group_offsets(self._name)
        return sum(max(0, offset.offset) for offset in offsets.values())

    async def shares(self) -> list[int]:
        """How many partitions of a topic each member has; empty while they rejoin."""
        found = await self._admin.describe_consumer_groups([self._name])
        members = found[0].groups[0][5]
        shares = []
        for member in members:
            assignment = MemberAssignment.decode(member[4]) if member[4] else None
            of_topics = [partitions for _, partitions in assignment.assignment] if assignment else []
            shares.append(max(map(len, of_topics), default=0))
        return shares

    async def now(self) -> Progress:
        """How far it is now: to be asked for before whoever commits begins."""
        return Progress([(time.monotonic(), await self.committed())])

    async def watch(
        self, total: int, *, since: Progress | None = None, within: float, alive: Callable[[], bool] = lambda: True
    ) -> Progress:
        """Returns once `total` records are committed; raises TimeoutError."""
        deadline = time.monotonic() + within
        samples = [*(since or await self.now()).samples]
        while samples[-1][1] < total:
            if time.monotonic() > deadline or not alive():
                raise TimeoutError(f"group {self._name} stands at {samples[-1][1]} of {total}")
            await asyncio.sleep(POLL_SECONDS)
            samples.append((time.monotonic(), await self.committed()))
        return Progress(samples)


def median(values: Sequence[float]) -> float:
    """The upper one of the middle."""
    return sorted(values)[len(values) // 2]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
