"""The program run in this process against real servers, and a Cliniko that knows one page."""

import asyncio
import base64
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import Result
from pymongo import MongoClient
from pymongo.database import Database as SyncDatabase
from typer.testing import CliRunner

from reengage import catching_up, control, letters, offsets, standing
from reengage.app import app
from reengage.checks import servers
from shared.dead_letters import DeadLetter, set_aside
from shared.identity import new_sealing_key
from shared.kafka import KeyedProducer, Outgoing
from shared.mongo import Database, DatabaseClient, open_database_client
from shared.topics import OUTREACH_MESSAGES, RISK_ENGINE_TOPICS, TOPICS, TRACKER_TOPICS

FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)
"""A heartbeat of then stays fresh."""

KEYS = new_sealing_key("k1")
API_KEY = "MS0xLWFiYw-au1"

FEW = 3
"""Partitions of a topic: made in a moment, and more than one."""


class Stack:
    """The databases of one test, under names of their own, as pymongo reads and writes them."""

    def __init__(self, uri: str, prefix: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True, w="majority")
        self._prefix = prefix

    def __getitem__(self, name: str) -> SyncDatabase[dict[str, Any]]:
        return self._client[f"{self._prefix}_{name}"]

    def runs(self, *services: str, state: str = "ready") -> None:
        """Makes the services be heard of from now on."""
        for service in services:
            beat = {"service": service, "instance": f"{service}-1", "state": state, "at": FAR_AHEAD, "health_port": 1}
            self["reengage"]["instances"].replace_one({"_id": f"{service}/1"}, beat, upsert=True)

    def drop(self) -> None:
        for name in self._client.list_database_names():
            if name.startswith(f"{self._prefix}_"):
                self._client.drop_database(name)
        self._client.close()


class PrefixedClient(DatabaseClient):
    """A client whose databases have the test's names."""

    prefix = ""

    def __getitem__(self, name: str) -> Database:
        return super().__getitem__(name if name == "admin" else f"{self.prefix}_{name}")


@pytest.fixture
def stack(mongodb_uri: str, unique_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Empty databases that the program uses as if they were the stack's."""
    prefix = unique_name[-12:]

    def open_prefixed(uri: str, driver: Any) -> DatabaseClient:
        opened = open_database_client(uri, driver)
        client = PrefixedClient(opened._client, driver)
        client.prefix = prefix
        return client

    monkeypatch.setattr(control, "open_database_client", open_prefixed)
    stack = Stack(mongodb_uri, prefix)
    yield stack
    stack.drop()


@dataclass
class Ran:
    """How a run of the program ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Reengage = Callable[..., Ran]


@pytest.fixture(params=["motor", "pymongo"])
def reengage(
    request: pytest.FixtureRequest, stack: Stack, mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Reengage:
    """Runs the program with arguments, once with each driver."""
    monkeypatch.setenv("REENGAGE_HOME", str(tmp_path))
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGO_DRIVER", request.param)
    monkeypatch.setenv("REENGAGE_ENCRYPTION_KEYS", KEYS)
    monkeypatch.setenv("REENGAGE_DEBUG", "1")
    for name in ("REENGAGE_CONTACT_EMAIL", "SYNC_INTERVAL", "API_GATEWAY_HOST", "REENGAGE_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, typed: str | None = None, **variables: str) -> Ran:
        result: Result = CliRunner().invoke(app, list(arguments), input=typed, env=variables)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@dataclass
class FakeCliniko:
    """Answers GET /v1/user to one key; remembers what it was asked."""

    port: int
    key: str = API_KEY
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"id": "1"}'
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append({"method": scope["method"], "path": scope["path"], **headers})
        wanted = "Basic " + base64.b64encode(f"{self.key}:".encode()).decode()
        status = self.status if headers.get("authorization") == wanted else 401
        sent = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": self.body})


@pytest.fixture(scope="session")
def served_cliniko() -> Iterator[FakeCliniko]:
    """A fake Cliniko that listens on loopback in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    fake = FakeCliniko(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(fake, lifespan="off", log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield fake
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def cliniko(served_cliniko: FakeCliniko) -> FakeCliniko:
    """The fake Cliniko as new."""
    fresh = FakeCliniko(served_cliniko.port)
    for name in ("key", "status", "headers", "body", "asked"):
        setattr(served_cliniko, name, getattr(fresh, name))
    return served_cliniko


@pytest.fixture
def org_a(reengage: Reengage, cliniko: FakeCliniko) -> str:
    """An organization that was added."""
    assert add(reengage, cliniko, "org_a").status == 0
    return "org_a"


def add(reengage: Reengage, cliniko: FakeCliniko, organization_id: str, *more: str) -> Ran:
    """Adds an organization of the fake Cliniko."""
    key = ("--cliniko-api-key", cliniko.key, "--cliniko-base-url", cliniko.url)
    named = ("--name", "A clinic", "--time-zone", "Australia/Sydney")
    return reengage("org", "add", organization_id, *named, *key, *more)


@pytest.fixture
def added(reengage: Reengage, cliniko: FakeCliniko) -> Callable[..., Ran]:
    """Adds an organization by its id, with more options."""
    return lambda organization_id, *more: add(reengage, cliniko, organization_id, *more)


class Topics:
    """Topics of the tests' own, named by the system's names, and what happens in them."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix
        self.all = tuple(replace(topic, name=self.of(topic.name)) for topic in TOPICS)

    def of(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    async def create(self) -> None:
        """Makes them and their dead-letter topics, and returns when Kafka knows them."""
        names = {name for topic in self.all for name in (topic.name, topic.dead_letters)}
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic(name, FEW, 1) for name in names])
        while any(topic["error_code"] for topic in await admin.describe_topics(list(names))):
            pass
        await admin.close()

    def publish(self, *records: Outgoing) -> None:
        """Puts records into the topics."""
        asyncio.run(self._publish(records))

    async def _publish(self, records: Sequence[Outgoing]) -> None:
        producer = KeyedProducer(self._bootstrap_servers, patience=60)
        await producer.publish_all(records)
        await producer.stop()

    def bury(self, *letters: DeadLetter) -> None:
        """Sets records aside, as the services do."""
        asyncio.run(self._bury(letters))

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        producer = KeyedProducer(self._bootstrap_servers, patience=60)
        await set_aside(producer, letters, at=1_700_000_000_000_000)
        await producer.stop()

    def catch_up(self, group: str, *names: str) -> None:
        """Commits for a group that it has read everything."""
        asyncio.run(self._catch_up(group, [self.of(name) for name in names]))

    async def _catch_up(self, group: str, topics: Sequence[str]) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers, group_id=group, enable_auto_commit=False)
        places = [TopicPartition(topic, number) for topic in topics for number in range(FEW)]
        consumer.assign(places)
        await consumer.start()
        await consumer.commit(await consumer.end_offsets(places))
        await consumer.stop()

    def newest(self, name: str) -> ConsumerRecord[bytes, bytes]:
        """The record that a topic got last."""
        return asyncio.run(self._newest(self.of(name)))

    async def _newest(self, topic: str) -> ConsumerRecord[bytes, bytes]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers, auto_offset_reset="earliest")
        places = [TopicPartition(topic, number) for number in range(FEW)]
        consumer.assign(places)
        await consumer.start()
        held = sum((await consumer.end_offsets(places)).values())
        found: list[ConsumerRecord[bytes, bytes]] = []
        while len(found) < held:
            found += [record for some in (await consumer.getmany(timeout_ms=500)).values() for record in some]
        await consumer.stop()
        return max(found, key=lambda record: record.timestamp)


@pytest.fixture(scope="session")
def created_topics(kafka_bootstrap: str) -> Topics:
    """All topics of the system under other names."""
    topics = Topics(kafka_bootstrap, f"cli-{uuid.uuid4().hex[:8]}")
    asyncio.run(topics.create())
    return topics


@pytest.fixture
def topics(created_topics: Topics, kafka_bootstrap: str, unique_name: str, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Topics that the program takes for the system's; the groups are new and have read nothing."""
    groups = tuple((created_topics.of(topic), f"{unique_name}-{group}") for topic, group in offsets.GROUPS)
    for module in (offsets, standing, catching_up):
        monkeypatch.setattr(module, "GROUPS", groups)
    monkeypatch.setattr(catching_up, "OUTREACH_MESSAGES", created_topics.of(OUTREACH_MESSAGES))
    monkeypatch.setattr(letters, "TOPIC_NAMES", tuple(topic.dead_letters for topic in created_topics.all))
    monkeypatch.setattr(servers, "TOPICS", created_topics.all)
    monkeypatch.setattr(servers, "PARTITIONS", FEW)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    return created_topics


@pytest.fixture
def all_read(topics: Topics, unique_name: str) -> None:
    """The groups have read all that is in the topics."""
    topics.catch_up(f"{unique_name}-risk-engine", *RISK_ENGINE_TOPICS)
    topics.catch_up(f"{unique_name}-outreach-tracker", *TRACKER_TOPICS)
