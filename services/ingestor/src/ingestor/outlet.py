"""The way to Kafka, and whether it is open: a service that cannot publish is not ready."""

from collections.abc import Iterable, Sequence
from typing import Any

from shared.kafka import KeyedProducer, Outgoing, PublishingError


class Outlet:
    """The producer as a part of the service that knows whether Kafka took what it was given last."""

    def __init__(self, producer: KeyedProducer) -> None:
        self.producer = producer
        self._refused: str | None = None

    async def start(self) -> None:
        """Connects, waiting for Kafka as long as it takes."""
        await self.producer.start()

    async def stop(self) -> None:
        """Disconnects."""
        await self.producer.stop()

    def not_ready(self) -> Sequence[str]:
        """Why nothing can be published."""
        return [] if self._refused is None else [self._refused]

    async def publish_all(self, records: Iterable[Outgoing]) -> Sequence[Any]:
        """Returns once all of them are acknowledged; raises PublishingError."""
        try:
            places = await self.producer.publish_all(records)
        except PublishingError as fault:
            self._refused = str(fault)
            raise
        self._refused = None
        return places
