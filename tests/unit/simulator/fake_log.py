"""A log as Kafka is to its consumers: partitions, offsets, a group with generations. No server, no time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from shared.records import Partition, Record

WRITTEN_AT = 1_795_600_000_000_000
"""Kafka's time stamp of every record (µs)."""

PARTITIONS = 3
"""Of each topic: enough for assignments to differ."""


class StaleGenerationError(Exception):
    """The member was put out of the group, or the group was rebalanced meanwhile."""


@dataclass
class Log:
    """All topics' partitions: `append` is an acknowledged record."""

    partitions: dict[Partition, list[Record]] = field(default_factory=dict)

    def append(self, topic: str, key: bytes | None, value: bytes | None) -> Record:
        partition = (topic, crc32(key or b"") % PARTITIONS)
        records = self.partitions.setdefault(partition, [])
        records.append(Record(topic, partition[1], len(records), key, value, (), WRITTEN_AT))
        return records[-1]

    def of(self, topic: str) -> Iterable[Record]:
        for (name, _), records in self.partitions.items():
            if name == topic:
                yield from records


class Group:
    """A consumer group: who owns which partition in the current generation, and what was committed."""

    def __init__(self, log: Log, topics: tuple[str, ...]) -> None:
        self._log = log
        self._topics = topics
        self.generation = 0
        self.members: list[str] = []
        self.committed: dict[Partition, int] = {}

    def join(self, member: str) -> None:
        if member not in self.members:
            self.members = sorted([*self.members, member])
            self.rebalance()

    def put_out(self, member: str) -> None:
        """It left, died, or was not heard of for too long."""
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        self.generation += 1

    def owned(self, member: str) -> list[Partition]:
        """As the range assignor does: the same number of every topic to the same member."""
        if member not in self.members:
            return []
        mine = self.members.index(member)
        return [
            (topic, number)
            for topic in self._topics
            for number in range(PARTITIONS)
            if number % len(self.members) == mine
        ]

    def commit(self, member: str, generation: int, offsets: Mapping[Partition, int]) -> None:
        if generation != self.generation or member not in self.members:
            raise StaleGenerationError
        self.committed.update(offsets)

    def behind(self) -> bool:
        return any(
            self.committed.get(partition, 0) < len(records)
            for partition, records in self._log.partitions.items()
            if partition[0] in self._topics
        )


class Reader:
    """A member's own view: its generation, and the position up to which it was handed records."""

    def __init__(self, log: Log, group: Group, member: str) -> None:
        self._log = log
        self._group = group
        self.member = member
        self.generation = -1
        self.positions: dict[Partition, int] = {}

    def poll(self, most: int) -> list[Record]:
        """The next records of several partitions; after a rebalance from what is committed."""
        self._group.join(self.member)
        if self.generation != self._group.generation:
            self.generation = self._group.generation
            owned = self._group.owned(self.member)
            self.positions = {partition: self._group.committed.get(partition, 0) for partition in owned}
        found: list[Record] = []
        for partition in sorted(self.positions):
            at = self.positions[partition]
            records = self._log.partitions.get(partition, [])[at : at + most - len(found)]
            self.positions[partition] = at + len(records)
            found += records
        return found

    def rewind(self, records: Iterable[Record]) -> None:
        """The batch is put back; partitions that went to somebody else stay there."""
        for record in records:
            partition = (record.topic, record.partition)
            if partition in self.positions:
                self.positions[partition] = min(self.positions[partition], record.offset)
