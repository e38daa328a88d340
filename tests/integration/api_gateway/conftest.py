"""Gateways as their own processes, on real Kafka and MongoDB."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from shared.identity import Role, new_token
from shared.mongo import DatabaseClient, open_database_client
from support.eventually import eventually
from unit.api_gateway.gateway import organization

STARTS_WITHIN = 60.0


@dataclass
class GatewayProcess:
    """One running gateway."""

    process: asyncio.subprocess.Process
    instance: str
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def terminate(self) -> None:
        """Asks it to stop gracefully."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit status."""
        return await asyncio.wait_for(self.process.wait(), 20)


@dataclass
class Clinic:
    """An organization with a token for each role."""

    id: str
    tokens: dict[Role, str] = field(default_factory=dict)

    def headers(self, role: Role = "staff") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def path(self, rest: str) -> str:
        return f"/api/v1/reengagement/{self.id}/{rest}"

    @property
    def events(self) -> str:
        return f"/api/v1/outreach/{self.id}/events"


StartGateway = Callable[..., Awaitable[GatewayProcess]]


@pytest.fixture(scope="session")
async def databases(mongodb_uri: str) -> AsyncIterator[DatabaseClient]:
    client = open_database_client(mongodb_uri)
    yield client
    await client.close()


@pytest.fixture
async def clinic(databases: DatabaseClient, unique_name: str) -> Clinic:
    made = Clinic(f"org_{unique_name}")
    await databases["reengage"]["organizations"].insert_one(organization(made.id).document())
    roles: tuple[Role, ...] = ("viewer", "staff", "publisher", "admin")
    for role in roles:
        text, document = new_token(made.id, role, now=datetime.now(UTC))
        await databases["reengage"]["tokens"].insert_one(document)
        made.tokens[role] = text
    return made


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def start_gateway(
    kafka_bootstrap: str, mongodb_uri: str, free_port: int, unique_name: str, tmp_path: Path
) -> AsyncIterator[StartGateway]:
    """Starts gateways that share one port; each returns once it is ready."""
    started: list[GatewayProcess] = []

    async def start(*, wait: bool = True, **environment: str) -> GatewayProcess:
        instance = f"gateway-{unique_name}-{len(started)}"
        log = tmp_path / f"{instance}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "api_gateway",
                env={
                    **os.environ,
                    "MONGODB_URI": mongodb_uri,
                    "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
                    "REENGAGE_GATEWAY_PORT": str(free_port),
                    "REENGAGE_INSTANCE": instance,
                    "HEALTH_PORT": "0",
                    **environment,
                },
                stdout=output,
                stderr=output,
            )
        gateway = GatewayProcess(process, instance, free_port, log)
        started.append(gateway)
        if wait:
            await eventually(lambda: _is_listening(gateway), within=STARTS_WITHIN)
        return gateway

    yield start
    for gateway in started:
        if gateway.process.returncode is None:
            gateway.process.kill()
            await gateway.process.wait()


async def _is_listening(gateway: GatewayProcess) -> None:
    assert gateway.process.returncode is None, gateway.log.read_text()
    assert '"event": "ready"' in gateway.log.read_text()


@pytest.fixture
async def client(start_gateway: StartGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one gateway that is ready."""
    gateway = await start_gateway()
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as opened:
        yield opened
