"""The ingestor between a sandbox of Cliniko and a real Kafka and MongoDB, driven as an operator does."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from ingestor.app import create
from ingestor.settings import IngestorSettings
from shared.clock import SystemClock
from shared.events import DATA_OF_TYPE, Event
from shared.identity import KeySealer, hash_api_key, new_sealing_key
from shared.mongo import Database, DatabaseClient, open_database_client
from shared.organizations import Organization
from shared.service import Part, Runtime
from shared.topics import APPOINTMENTS, COMMUNICATIONS, CONTACTS, PARTITIONS
from support.eventually import eventually
from support.sandbox.clinic import Clinic
from support.sandbox.options import Options
from support.sandbox.state import Sandbox

ROOT = Path(__file__).parents[3]
TOPICS = (CONTACTS, APPOINTMENTS, COMMUNICATIONS)
SEALING_KEYS = new_sealing_key("test")
NEVER = 1_000_000.0

Json = dict[str, Any]


class OwnDatabases(DatabaseClient):
    """The services' databases under names that no other test has."""

    def __init__(self, client: DatabaseClient, prefix: str) -> None:
        super().__init__(client._client, client.driver)
        self.prefix = prefix

    def __getitem__(self, name: str) -> Database:
        return super().__getitem__(f"{self.prefix}_{name}")


class Topics:
    """What arrives in the ingestor's topics from now on."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._partitions = [TopicPartition(topic, each) for topic in TOPICS for each in range(PARTITIONS)]

    async def open(self) -> None:
        """Begins at the present end."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_end(*self._partitions)
        for partition in self._partitions:
            await self._consumer.position(partition)

    async def read(self, org: str) -> list[Json]:
        """The organization's events that were not read before, each valid and under its key."""
        ends = await self._consumer.end_offsets(self._partitions)
        events: list[Json] = []
        while any([await self._consumer.position(each) < ends[each] for each in self._partitions]):
            lots = await self._consumer.getmany(timeout_ms=200)
            for partition, records in lots.items():
                for record in records:
                    if record.key.startswith(f"{org}:".encode()):
                        events.append(_checked(partition.topic, record.key, record.value))
        return events


def _checked(topic: str, key: bytes, value: bytes) -> Json:
    event: Json = orjson.loads(value)
    Event[DATA_OF_TYPE[event["type"]]].model_validate_json(value)
    assert key.decode() == f"{event['data']['organization_id']}:{event['data']['patient_id']}"
    assert event["source"].startswith("/ingestor")
    return {**event, "topic": topic}


class Spawned:
    """An ingestor in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())

    async def ended(self, within: float = 60.0) -> int:
        """Its exit status, once it has one."""
        return await asyncio.wait_for(self.process.wait(), within)

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    async def kill(self) -> None:
        """Ends it as a power failure would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading


@dataclass
class Harness:
    """One sandbox, one pair of databases, and as many ingestors as a test starts."""

    kafka: str
    mongodb_uri: str
    databases: OwnDatabases
    sandbox: Sandbox
    base_url: str
    topics: Topics
    settings: Json = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def add(
        self,
        org: str,
        clinic: Clinic | None,
        *,
        key: str = "",
        per_minute: int = 100_000,
        sync_interval: int | None = None,
    ) -> str:
        """Adds an organization whose key opens a clinic of the sandbox; the key."""
        key = key or f"{uuid.uuid4().hex}-au1"
        if clinic is not None:
            self.sandbox.serve(key, clinic)
        document = Organization.of(
            {
                "_id": org,
                "name": org,
                "settings": {
                    "time_zone": "Australia/Sydney",
                    "cliniko_requests_per_minute": per_minute,
                    "sync_interval": sync_interval,
                },
                "settings_revision": 1,
                "cliniko": {
                    "base_url": self.base_url,
                    "key": KeySealer.from_text(SEALING_KEYS).seal(key, organization_id=org),
                    "key_hash": hash_api_key(key),
                    "contact_email": "ops@example.com",
                },
                "created_at": datetime.now(UTC),
            }
        ).document()
        await self.common["organizations"].replace_one({"_id": org}, document, upsert=True)
        return key

    @property
    def common(self) -> Database:
        return self.databases["reengage"]

    @property
    def own(self) -> Database:
        return self.databases["ingestor"]

    def runtime(self, instance: str, **settings: Any) -> Runtime:
        told = IngestorSettings(
            kafka_bootstrap_servers=self.kafka,
            reengage_encryption_keys=SEALING_KEYS,
            **{"sync_interval": NEVER, **self.settings, **settings},
        )
        return Runtime("ingestor", instance, told, SystemClock(), self.databases, _fail)

    async def start(self, instance: str = "ingestor-1", **settings: Any) -> Sequence[Part]:
        """Starts an ingestor in this process; the test's end stops it."""
        parts = list(create(self.runtime(instance, **settings)))
        for part in parts:
            await part.start()
            self.stack.push_async_callback(part.stop)
        return parts

    async def spawn(self, instance: str, **environment: str) -> Spawned:
        """Starts an ingestor as a process of its own; the test's end kills what is left of it."""
        given = {
            "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'deploy/local'}",
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "MONGODB_URI": self.mongodb_uri,
            "REENGAGE_ENCRYPTION_KEYS": SEALING_KEYS,
            "REENGAGE_INSTANCE": instance,
            "TEST_DATABASES": self.databases.prefix,
            "SYNC_INTERVAL": str(NEVER),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "integration.ingestor.program"),
            env={**os.environ, **given, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        spawned = Spawned(process)
        self.stack.push_async_callback(spawned.kill)
        return spawned

    async def status(self, org: str) -> Json:
        return await self.own["sync_status"].find_one({"_id": org}) or {}

    async def cursors(self, org: str) -> dict[str, int]:
        """How far each resource was read."""
        found = self.own["cursors"].find({"org": org, "since": {"$exists": True}})
        return {each["resource"]: each["since"] async for each in found}

    async def until(self, org: str, state: str, within: float = 30.0) -> Json:
        """The status, once it says so."""

        async def said() -> Json:
            status = await self.status(org)
            assert status.get("state") == state, status
            return status

        return await eventually(said, within=within)

    async def ask(self, org: str, *, full: bool = False, again: bool = False) -> str:
        """Asks for a synchronization, as the CLI does."""
        request = {
            "_id": uuid.uuid4().hex,
            "organization_id": org,
            "full": full,
            "again": again,
            "requested_at": datetime.now(UTC),
            "state": "requested",
            "progress": None,
            "error": None,
        }
        await self.common["sync_requests"].insert_one(request)
        return str(request["_id"])

    async def answered(self, request: str, within: float = 60.0) -> Json:
        """The request, once it is done or failed."""

        async def ended() -> Json:
            found = await self.common["sync_requests"].find_one({"_id": request})
            assert found is not None
            assert found["state"] in ("done", "failed"), found
            return found

        return await eventually(ended, within=within)

    async def sync(self, org: str, *, full: bool = False) -> list[Json]:
        """Synchronizes and returns what was published for it."""
        answer = await self.answered(await self.ask(org, full=full))
        assert answer["state"] == "done", answer
        return await self.topics.read(org)


def _fail(fault: BaseException) -> None:
    raise AssertionError(f"the ingestor gave up: {fault!r}")


@asynccontextmanager
async def harness(
    kafka: str, mongodb_uri: str, driver: Any, unique_name: str, sandbox: Sandbox, base_url: str
) -> AsyncIterator[Harness]:
    client = open_database_client(mongodb_uri, driver)
    databases = OwnDatabases(client, unique_name)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    topics = Topics(consumer)
    made = Harness(kafka, mongodb_uri, databases, sandbox, base_url, topics)
    try:
        await topics.open()
        yield made
    finally:
        await made.stack.aclose()
        await consumer.stop()
        for name in ("ingestor", "reengage"):
            await client.drop_database(f"{unique_name}_{name}")
        await client.close()


def of_type(events: Sequence[Json], *types: str) -> list[Json]:
    """The events' data, of some types."""
    return [event["data"] for event in events if event["type"] in types]


def a_clinic(sandbox: Sandbox, **options: Any) -> Clinic:
    """A small clinic: two patients, a class with one place, an appointment, a reply, a recall."""
    clinic = Clinic("small", clock=sandbox.clock, options=Options(**{"requests_per_minute": 1_000_000, **options}))
    at = "2026-01-05T09:00:00Z"
    made: list[tuple[str, Json]] = [
        ("appointment_types", {"id": "501", "name": "Initial"}),
        ("appointment_types", {"id": "502", "name": "Pilates class"}),
        ("practitioners", {"id": "601", "first_name": "Quinn", "last_name": "Holder", "display_name": "Quinn Holder"}),
        ("businesses", {"id": "701", "business_name": "Sample Street", "label": "Sample Street"}),
        ("patients", {"id": "101", "first_name": "Zara", "last_name": "Testerton"}),
        ("patients", {"id": "102", "first_name": "Omar", "last_name": "Example"}),
        ("medical_alerts", {"id": "801", "name": "Latex allergy", "patient_id": "101"}),
        ("patient_cases", {"id": "851", "name": "Knee", "patient_id": "101"}),
        (
            "individual_appointments",
            {
                "id": "201",
                "patient_id": "101",
                "appointment_type_id": "501",
                "practitioner_id": "601",
                "business_id": "701",
                "starts_at": "2026-02-01T00:00:00Z",
                "ends_at": "2026-02-01T00:30:00Z",
            },
        ),
        (
            "group_appointments",
            {
                "id": "301",
                "appointment_type_id": "502",
                "practitioner_id": "601",
                "business_id": "701",
                "starts_at": "2026-02-02T00:00:00Z",
                "ends_at": "2026-02-02T01:00:00Z",
            },
        ),
        ("attendees", {"id": "401", "booking_id": "301", "patient_id": "102"}),
        (
            "communications",
            {
                "id": "901",
                "patient_id": "101",
                "type": "SMS",
                "type_code": 1,
                "direction_code": 2,
                "direction_description": "Received",
            },
        ),
        ("recalls", {"id": "951", "patient_id": "102", "recall_at": "2026-03-01"}),
    ]
    for kind, fields in made:
        clinic.create(kind, fields, at=at)
    return clinic


async def wait_for(true: Callable[[], bool], within: float = 30.0) -> None:
    """Returns once it is so."""

    def so() -> None:
        assert true()

    await eventually(so, within=within)


def a_large_clinic(sandbox: Sandbox, patients: int, **options: Any) -> Clinic:
    """A clinic of many patients with one appointment each."""
    clinic = Clinic("large", clock=sandbox.clock, options=Options(**{"requests_per_minute": 1_000_000, **options}))
    stamps = {"created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T09:00:00Z"}
    ids = [str(100_000 + number) for number in range(patients)]
    clinic.load("patients", [{"id": each, "first_name": "P", "last_name": each, **stamps} for each in ids])
    clinic.load(
        "individual_appointments",
        [{"id": f"7{each}", "patient_id": each, "starts_at": "2026-02-01T00:00:00Z", **stamps} for each in ids],
    )
    return clinic
