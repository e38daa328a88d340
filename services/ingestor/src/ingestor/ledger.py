"""Tells and holds: the one place where the order *publish, be acknowledged, store* is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingestor.compose import Fact, Kind, Names, NoFact
from ingestor.decide import Published, Told, decide
from ingestor.leases import Lease
from ingestor.records import Record
from ingestor.store.records import Erased, RecordStore, Write
from shared.clock import Clock
from shared.faults import describe
from shared.kafka import Outgoing, PublishingError
from shared.logs import log_of

KAFKA_PATIENCE_SECONDS = 60.0
"""How long a batch waits for a Kafka that is away, before the synchronization gives up."""

_HEADERS = (("content-type", b"application/cloudevents+json"),)

_log = log_of("ledger")


class Producer(Protocol):
    """What is asked of `shared.kafka.KeyedProducer`."""

    def publish_all(self, records: Iterable[Outgoing]) -> Awaitable[Sequence[Any]]:
        """Returns once all of them are acknowledged."""
        ...


@dataclass(slots=True)
class Work:
    """What all steps of one organization's synchronization share."""

    org: str
    records: RecordStore
    producer: Producer
    lease: Lease
    clock: Clock
    names: Names = field(default_factory=Names)
    erased: dict[str, Erased] = field(default_factory=dict)
    published: int = 0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def ledger(self) -> "Ledger":
        """A fresh page for one batch."""
        return Ledger(self)

    async def publish(self, told: Sequence[Told]) -> None:
        """Returns once Kafka has acknowledged all; waits a while for one that is away."""
        if not told:
            return
        records = [Outgoing(each.topic, each.key, each.value, _HEADERS) for each in told]
        give_up_at = self.clock.monotonic() + KAFKA_PATIENCE_SECONDS
        while True:
            self.lease.check()
            try:
                await self.producer.publish_all(records)
            except PublishingError as fault:
                if self.clock.monotonic() >= give_up_at:
                    raise
                _log.warning("waiting for Kafka", organization_id=self.org, error=describe(fault))
                await self.sleep(1.0)
            else:
                self.published += len(records)
                return


class Ledger:
    """What one batch has to tell and to hold."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._told: list[Told] = []
        self._writes: list[Write] = []
        self._dropped: dict[str, list[str]] = {}

    def tell(
        self,
        record: Record,
        kind: Kind,
        fact: Fact | NoFact,
        before: Published | None,
        *,
        read_at: int,
        fresh: bool,
    ) -> None:
        """Tells the fact if it is new; holds its own record if that is `fresh`, or was told."""
        told, after = decide(
            self._work.org,
            kind,
            fact,
            before,
            updated_at=record.updated_at,
            read_at=read_at,
        )
        self._told += told
        if fresh or after != before:
            at = read_at if after is None else max(read_at, after.read_at)
            self._writes.append(Write(record, after, at))

    def hold(self, record: Record, published: Published | None, *, read_at: int) -> None:
        """Holds a record."""
        self._writes.append(Write(record, published, read_at))

    def drop(self, record: Record) -> None:
        """Holds a record no longer: its patient was erased."""
        self._dropped.setdefault(record.resource, []).append(record.id)

    async def settle(self) -> None:
        """Publishes, waits for Kafka's acknowledgement, then stores."""
        work = self._work
        await work.publish(self._told)
        work.lease.check()
        if not await work.records.write(work.org, self._writes):
            # Somebody read later: another ingestor, or we did and the clock was set back.
            await work.lease.confirm()
            await work.records.write(work.org, self._writes, guarded=False)
        for resource, ids in self._dropped.items():
            await work.records.forget(work.org, resource, ids)
