"""Publishes outreach events straight to Kafka."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from reengage_publisher.errors import PublishError
from reengage_publisher.events import TOPIC, Event, encoded, key_of
from reengage_publisher.reporting import SOURCE, Reporter, utc_now

HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
"""What CloudEvents asks of structured events in Kafka."""


class OutreachPublisher(Reporter):
    """Reports outreach outcomes to Kafka: `async with OutreachPublisher(bootstrap_servers=…) as publisher`.

    A report returns once all in-sync replicas have it. One that raises PublishError may be tried
    again as it is: the same report is the same event, and counts once.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        source: str = SOURCE,
        topic: str = TOPIC,
        timeout: float = 15.0,
        now: Callable[[], datetime] = utc_now,
        **kafka_options: Any,
    ) -> None:
        """`source` names your system (a path or URI of your choice, always the same).

        `kafka_options` go to aiokafka's producer as they are: security_protocol, sasl_mechanism, …
        """
        super().__init__(source, now)
        self._topic = topic
        # Not idempotent: that producer would wait for a lost broker for ever, and events that
        # arrive twice or out of order count the same.
        self._options = {
            "client_id": "reengage-publisher",
            "linger_ms": 5,
            **kafka_options,
            "bootstrap_servers": bootstrap_servers,
            "request_timeout_ms": round(timeout * 1_000),
            "acks": "all",
        }
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def close(self) -> None:
        """Disconnects, once what is under way has arrived or failed."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def send(self, events: Iterable[Event]) -> list[str]:
        """Publishes events made by `outreach_event` and `treatment_event`; returns their ids."""
        told = list(events)
        producer = await self._connected()
        try:
            acks = [await producer.send(self._topic, encoded(event), key_of(event), headers=HEADERS) for event in told]
            answers = await asyncio.gather(*acks, return_exceptions=True)
        except KafkaError as fault:
            raise PublishError(f"Kafka did not accept: {type(fault).__name__}") from fault
        for answer in answers:
            if isinstance(answer, BaseException):
                raise PublishError(f"Kafka did not acknowledge: {type(answer).__name__}") from answer
        return [event["id"] for event in told]

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._options)
                try:
                    await producer.start()
                except KafkaError as fault:
                    await producer.stop()
                    raise PublishError(f"Kafka is away: {type(fault).__name__}") from fault
                self._producer = producer
            return self._producer
