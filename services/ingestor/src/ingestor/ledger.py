"""Tells and holds: the one place where the order *note, publish, be acknowledged, store* is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingestor.compose import Fact, Kind, Names, NoFact
from ingestor.decide import Published, Told, decide
from ingestor.records import OfPatient, Patient, Record
from ingestor.store.documents import Erased, Write
from ingestor.store.intents import Intent, IntentStore
from ingestor.store.records import RecordStore
from shared.clock import Clock
from shared.failpoints import reached
from shared.faults import describe
from shared.kafka import Outgoing, PublishingError
from shared.logs import log_of

KAFKA_PATIENCE_SECONDS = 60.0
"""How long a batch waits for a Kafka that is away, before the synchronization gives up."""

_HEADERS = (("content-type", b"application/cloudevents+json"),)

_log = log_of("ledger")


class Permission(Protocol):
    """What is asked of a lease (`ingestor.leases.Lease`)."""

    def check(self) -> None:
        """Raises LeaseLostError when somebody else may have it."""
        ...

    async def confirm(self) -> None:
        """The same, by asking the database."""
        ...


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
    intents: IntentStore
    producer: Producer
    lease: Permission
    clock: Clock
    names: Names = field(default_factory=Names)
    published: int = 0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    erased: Erased = field(init=False)
    """Who was erased when the synchronization began, or since then by it."""

    def __post_init__(self) -> None:
        self.erased = Erased(self.org)

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
        self._intents: list[Intent] = []
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
        if told:
            self._told += told
            place, version = None, (record.updated_at, read_at)
            if after is not None:
                place, version = (after.fact, after.patient), (after.updated_at, after.read_at)
            self._intents.append(Intent(record.resource, record.id, place, *version))
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
        """Notes what is about to be told, tells it, waits for Kafka, then stores it.

        Nothing of who was erased meanwhile: looked for before, and once more afterwards, since the
        marker comes before the deletion.
        """
        work = self._work
        self._leave_out(await work.records.erased_among(work.org, self._patients()))
        noted = [await work.intents.note(work.org, self._intents)] if self._intents else []
        await work.publish(self._told)
        if self._told:
            reached("ingestor.after_publish")
        work.lease.check()
        if not await work.records.write(work.org, self._writes):
            # Somebody read later: another ingestor, or we did and the clock was set back.
            await work.lease.confirm()
            await work.records.write(work.org, self._writes, guarded=False)
        for resource, ids in self._dropped.items():
            await work.records.forget(work.org, resource, ids)
        await work.records.erase(work.org, await work.records.erased_among(work.org, self._patients()))
        if noted:
            await work.intents.strike_out(noted)

    def _patients(self) -> set[str]:
        return {_patient_of_key(told) for told in self._told} | {
            patient for write in self._writes if (patient := _patient_of(write.record)) is not None
        }

    def _leave_out(self, erased: Collection[str]) -> None:
        if not erased:
            return
        self._told = [told for told in self._told if _patient_of_key(told) not in erased]
        self._writes = [write for write in self._writes if _patient_of(write.record) not in erased]
        self._intents = [intent for intent in self._intents if intent.place is None or intent.place[1] not in erased]


def _patient_of(record: Record) -> str | None:
    if isinstance(record, Patient):
        return record.id
    return record.patient if isinstance(record, OfPatient) else None


def _patient_of_key(told: Told) -> str:
    return told.key.decode().partition(":")[2]


async def recover(work: Work) -> None:
    """What was being told when a synchronization broke off is told again, whatever it says by then."""
    left_over = await work.intents.left_over(work.org)
    intents = [
        intent
        for each in left_over.values()
        for intent in each
        if intent.place is None or intent.place[1] not in work.erased
    ]
    if intents:
        _log.info("something may have been told and not stored", organization_id=work.org, count=len(intents))
        await work.records.doubt(work.org, intents)
    if left_over:
        await work.intents.strike_out(list(left_over))
