"""What all tests share: real servers for those that ask for them, and marks by folder."""

import re
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import structlog

from shared.garbage import look_for_garbage_less_often
from support import servers

LAYERS = ("unit", "contract", "integration", "e2e", "faults", "bench")  # in the order they run
MARKED = {"integration", "e2e", "faults"}


def pytest_configure() -> None:
    """Let SIGTERM end a run as Ctrl-C does: what fixtures started is stopped. Waste no time on garbage."""
    look_for_garbage_less_often()  # a third of the oracle's time, which holds millions of facts
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end_once)


def _end_once(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # `timeout` and `make` both send it; a second must not cut the cleaning short
    raise KeyboardInterrupt


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its layer, so that `-m "not integration"` means what it says, and run quick layers first."""
    items.sort(key=lambda item: LAYERS.index(_layer(item)) if _layer(item) in LAYERS else len(LAYERS))
    for item in items:
        if _layer(item) in MARKED:
            item.add_marker(_layer(item))


def _layer(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """What a test makes of the log is undone: tests come in any order, and some read what is logged."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The bootstrap servers of a real Kafka. Topics are not created by themselves: take unique names."""
    with servers.kafka_server() as address:
        yield address


@pytest.fixture(scope="session")
def mongodb_uri() -> Iterator[str]:
    """The URI of a real MongoDB replica set: transactions and change streams work."""
    with servers.mongodb_server() as uri:
        yield uri


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> str:
    """A name that no other test or run has; fit for a topic, a group, a database, a collection."""
    words = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower().removeprefix("test_"))[:24].strip("_")
    return f"{words}_{uuid.uuid4().hex[:12]}"
