"""How records get into their topics: acknowledged by all replicas, in order for each key."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
)
from aiokafka.structs import RecordMetadata

from shared.faults import StatedError, TransientError, describe, is_transient
from shared.logs import log_of
from shared.topic_setup import TopicSetup, ensure_topics

LARGEST_REQUEST_BYTES = 4 * 1024 * 1024
"""A dead letter holds a stranger's record (at most 1 MiB by the broker's default) and headers."""

__all__ = ["Headers", "KeyedProducer", "Outgoing", "PublishingError", "TopicSetup", "ensure_topics"]

Headers = Sequence[tuple[str, bytes]]

_log = log_of("kafka")


class PublishingError(TransientError):
    """Kafka did not acknowledge in time, or the producer broke; nothing is known of the records."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way; records of one key keep their order."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    """None: the one that the key names."""
    timestamp_ms: int | None = None
    """None: now."""


class KeyedProducer:
    """Publishes records, idempotently and with acks of all replicas, in order for each key.

    aiokafka's idempotent producer never gives a batch up, and one that lost count of its sequence
    numbers stays broken: so waiting is bounded here, and after any failure the next record gets
    a new producer. A failure leaves open whether the records arrived: publish them again.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str = "reengage",
        linger_ms: int = 5,
        patience: float = 15.0,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._client_id = client_id
        self._linger_ms = linger_ms
        self._patience = patience
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Connects, waiting for Kafka as long as it takes."""
        while True:
            try:
                await self._open()
            except PublishingError as fault:
                _log.warning("waiting for Kafka", error=fault)
                await asyncio.sleep(1)
            else:
                return

    async def stop(self) -> None:
        """Sends what is buffered, at most for five seconds, and disconnects."""
        self._closed = True
        producer = self._producer
        if producer is None:
            return
        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(producer.flush(), 5)
        await self._discard(producer, PublishingError("the producer was stopped"))

    async def publish(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> RecordMetadata:
        """Where the record is, once all replicas have it; raises PublishingError."""
        (place,) = await self.publish_all([Outgoing(topic, key, value, headers)])
        return place

    async def publish_all(self, records: Iterable[Outgoing]) -> list[RecordMetadata]:
        """Where the records are, in their order, once all of them are acknowledged.

        Raises PublishingError when any of them is not; publishing all again is then right. What
        can never be published (too large for Kafka) raises aiokafka's error of that name.
        """
        producer = await self._open()
        acks: list[asyncio.Future[RecordMetadata]] = []
        try:
            async with asyncio.timeout(self._patience) as waiting:
                for record in records:
                    ack = await producer.send(
                        record.topic,
                        record.value,
                        record.key,
                        partition=record.partition,
                        timestamp_ms=record.timestamp_ms,
                        headers=list(record.headers),
                    )
                    acks.append(ack)
                if acks:
                    await asyncio.wait(acks)
        except MessageSizeTooLargeError:  # refused here, before Kafka or the producer knew of it
            raise
        except (KafkaError, TimeoutError, OSError, TransientError) as fault:
            raise await self._give_up(producer, fault, waiting.expired()) from fault
        finally:
            faults = [ack.exception() for ack in acks if ack.done()]  # asked for, or asyncio complains
        for refusal in faults:
            if refusal is not None:
                raise await self._give_up(producer, refusal) from refusal
        return [ack.result() for ack in acks]

    async def _give_up(self, producer: AIOKafkaProducer, fault: BaseException, late: bool = False) -> BaseException:
        what = f"for {self._patience:g} s" if late else describe(fault)
        failed = PublishingError(f"Kafka did not acknowledge: {what}")
        await self._discard(producer, failed)
        return failed if is_transient(fault) else fault

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._closed:
                raise StatedError("the producer was stopped")
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=self._linger_ms,
            max_batch_size=256 * 1024,
            max_request_size=LARGEST_REQUEST_BYTES,
            request_timeout_ms=10_000,
            metadata_max_age_ms=60_000,
        )
        try:
            async with asyncio.timeout(self._patience):
                await producer.start()
        except BaseException as fault:
            failed = PublishingError(f"Kafka is away: {describe(fault)}")
            await self._discard(producer, failed)
            if isinstance(fault, KafkaError | TimeoutError | OSError):
                raise failed from fault
            raise
        return producer

    async def _discard(self, producer: AIOKafkaProducer, reason: PublishingError) -> None:
        if self._producer is producer:
            self._producer = None
        await _abandon(producer, reason)


async def _abandon(producer: Any, reason: PublishingError) -> None:
    """Ends a producer at once: its own `stop` would wait for batches that never expire.

    What it still holds must not be sent later, behind newer records of the same key. aiokafka has
    no public way to do this.
    """
    if producer._closed:  # noqa: SLF001
        return
    producer._closed = True  # noqa: SLF001
    accumulator = producer._message_accumulator  # noqa: SLF001
    held = [batch for batches in accumulator._batches.values() for batch in batches]  # noqa: SLF001
    accumulator._pending_batches.update(batch for batch in held if batch.retry_count)  # noqa: SLF001
    accumulator.fail_all(reason)
    for batch in held:
        batch._drain_waiter.exception()  # noqa: SLF001 - asked for, or asyncio complains
    sending = producer._sender.sender_task  # noqa: SLF001
    if sending is not None:
        sending.remove_done_callback(producer._sender._fail_all)  # noqa: SLF001 - all did fail
        sending.cancel()
    await producer.client.close()
    while sending is not None and not sending.done():  # cancelled once, it waits for its requests
        await asyncio.wait([sending], timeout=0.2)
        sending.cancel()
    if sending is not None and not sending.cancelled():
        sending.exception()
