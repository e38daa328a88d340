"""Runs the gateway: `api-gateway`, or `python -m api_gateway`."""

import asyncio
from collections.abc import Sequence
from typing import cast

from starlette.types import ASGIApp

from api_gateway.app import create_app
from api_gateway.cursors import Cursors
from api_gateway.readiness import KafkaProbe, Readiness
from api_gateway.readings import create_readings
from api_gateway.server import GatewayServer
from api_gateway.settings import GatewaySettings
from api_gateway.store import cursor_secret
from rules.instants import to_datetime
from shared.identity import TokenDirectory
from shared.kafka import KeyedProducer, ensure_topics
from shared.organizations import OrganizationDirectory
from shared.service import Part, Runtime, run
from shared.tasks import cancelled

SERVICE = "api-gateway"


class Publishing:
    """Connects the producer beside everything else: reads are answered without Kafka, too."""

    def __init__(self, producer: KeyedProducer, bootstrap_servers: str) -> None:
        self._producer = producer
        self._bootstrap_servers = bootstrap_servers
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to connect, and makes sure of the topics."""
        self._connecting = asyncio.create_task(self._connect())

    async def stop(self) -> None:
        """Sends what is under way and disconnects."""
        if self._connecting is not None:
            await cancelled(self._connecting)
        await self._producer.stop()

    async def _connect(self) -> None:
        await ensure_topics(self._bootstrap_servers)
        await self._producer.start()


def create(runtime: Runtime) -> Sequence[Part]:
    """The gateway's parts in the order of their start."""
    settings = cast("GatewaySettings", runtime.settings)
    databases, clock = runtime.databases, runtime.clock
    administration = databases["reengage"]
    producer = KeyedProducer(
        settings.kafka_bootstrap_servers,
        client_id=runtime.instance,
        patience=settings.api_gateway_publish_seconds * 0.75,
    )
    kafka = KafkaProbe(settings.kafka_bootstrap_servers)
    readiness = Readiness({"MongoDB": databases.ping, "Kafka": kafka.check})

    async def build() -> ASGIApp:
        return create_app(
            readings=create_readings(databases, clock=clock),
            directory=OrganizationDirectory(administration["organizations"]),
            tokens=TokenDirectory(administration["tokens"], now=lambda: to_datetime(clock.now())),
            producer=producer,
            settings=settings,
            clock=clock,
            cursors=Cursors(await cursor_secret(databases["api_gateway"])),
            not_ready=readiness.not_ready,
        )

    publishing = Publishing(producer, settings.kafka_bootstrap_servers)
    return [readiness, publishing, GatewayServer(build, settings)]


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    run(SERVICE, create, GatewaySettings)


if __name__ == "__main__":
    main()
