"""What the ingestor's tests share: real Kafka and MongoDB, and a sandbox of Cliniko."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ingestor import scheduler
from integration.ingestor.harness import Harness, harness
from local_stack.processes import Process, recorded
from shared.kafka import ensure_topics
from support import servers
from support.sandbox.server import running_sandbox
from support.sandbox.state import Sandbox


@pytest.fixture(scope="session")
async def topics_exist(kafka_bootstrap: str) -> None:
    await ensure_topics(kafka_bootstrap)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
def base_url(sandbox: Sandbox) -> Iterator[str]:
    with running_sandbox(sandbox) as url:
        yield url


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the organizations more often than a service needs to."""
    monkeypatch.setattr(scheduler, "TICK_SECONDS", 0.05)


@pytest.fixture(params=["motor"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own_kafka() -> Iterator[tuple[Process, str]]:
    """A Kafka of the test's own, which it may freeze, and where it listens."""
    with servers.native_server("kafka") as settings:
        process = recorded(settings.run, "kafka")
        assert process is not None
        yield process, settings.kafka_bootstrap_servers


@pytest.fixture
async def world(
    topics_exist: None,
    kafka_bootstrap: str,
    mongodb_uri: str,
    driver: str,
    unique_name: str,
    sandbox: Sandbox,
    base_url: str,
) -> AsyncIterator[Harness]:
    async with harness(kafka_bootstrap, mongodb_uri, driver, unique_name, sandbox, base_url) as made:
        yield made
