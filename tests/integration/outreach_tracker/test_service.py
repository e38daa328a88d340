"""The whole service on real servers: from `outreach-events` to `outreach-messages`."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integration.shared.reading import read_topic
from shared.kafka import KeyedProducer, Outgoing, ensure_topics
from shared.mongo import DatabaseClient, open_database_client
from shared.topics import OUTREACH_EVENTS, OUTREACH_MESSAGES, dead_letters_of, record_key
from support.eventually import eventually
from unit.outreach_tracker.fakes import event

DYING = Path(__file__).with_name("dying_tracker.py")
START_SECONDS = 60.0

Publish = Callable[..., Awaitable[None]]
StartService = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def databases(mongodb_uri: str) -> AsyncIterator[DatabaseClient]:
    client = open_database_client(mongodb_uri)
    yield client
    await client.close()


@pytest.fixture
async def organization(databases: DatabaseClient, unique_name: str) -> AsyncIterator[str]:
    organizations = databases["reengage"]["organizations"]
    await organizations.insert_one(
        {
            "_id": unique_name,
            "name": "A clinic",
            "settings": {"time_zone": "Australia/Sydney"},
            "settings_revision": 1,
            "cliniko": {"base_url": "http://127.0.0.1:1/v1", "key": "x", "key_hash": "x", "contact_email": "a@b.c"},
            "removed_at": None,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )
    yield unique_name
    await organizations.delete_one({"_id": unique_name})
    await databases["outreach_tracker"]["patients"].delete_many({"organization_id": unique_name})


@pytest.fixture
async def publish(kafka_bootstrap: str, organization: str) -> AsyncIterator[Publish]:
    await ensure_topics(kafka_bootstrap)
    producer = KeyedProducer(kafka_bootstrap)

    async def publish(*told: dict[str, Any] | bytes) -> None:
        records = []
        for one in told:
            if isinstance(one, bytes):
                records.append(Outgoing(OUTREACH_EVENTS, record_key(organization, "p1"), one))
                continue
            one["data"]["organization_id"] = organization
            key = record_key(organization, one["data"]["patient_id"])
            records.append(Outgoing(OUTREACH_EVENTS, key, json.dumps(one).encode()))
        await producer.publish_all(records)

    yield publish
    await producer.stop()


@pytest.fixture
async def start_service(kafka_bootstrap: str, mongodb_uri: str) -> AsyncIterator[StartService]:
    running: list[asyncio.subprocess.Process] = []

    async def start(*program: str, **environment: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(program or ("-m", "outreach_tracker")),
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
                "MONGODB_URI": mongodb_uri,
                **environment,
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def told_of(kafka_bootstrap: str, organization: str) -> dict[str, Any]:
    """The newest state of each message of the organization."""
    newest: dict[str, Any] = {}
    for record in await read_topic(kafka_bootstrap, OUTREACH_MESSAGES):
        if record.key.startswith(f"{organization}:".encode()):
            data = json.loads(record.value)["data"]
            known = newest.get(data["message_id"])
            if known is None or known["revision"] <= data["revision"]:
                newest[data["message_id"]] = data
    return {name: [one["event_id"] for one in data["events"]] for name, data in newest.items()}


async def test_events_become_messages_and_bad_ones_dead_letters(
    kafka_bootstrap: str, organization: str, publish: Publish, start_service: StartService, databases: DatabaseClient
) -> None:
    process = await start_service()
    await publish(event("e1"), b"{", event("e2", at=1, outcome="delivered"), event("e3", patient="p2", message="m2"))

    async def told() -> None:
        assert await told_of(kafka_bootstrap, organization) == {"m1": ["e1", "e2"], "m2": ["e3"]}
        letters = await read_topic(kafka_bootstrap, dead_letters_of(OUTREACH_EVENTS))
        assert [one.value for one in letters if one.key == record_key(organization, "p1")] == [b"{"]

    await eventually(told, within=START_SECONDS)

    async def ready() -> None:
        (instance,) = await databases["reengage"]["instances"].find({"pid": process.pid}).to_list()
        assert (instance["service"], instance["state"]) == ("outreach-tracker", "ready")

    await eventually(ready)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert await databases["reengage"]["instances"].find({"pid": process.pid}).to_list() == []


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_kill_between_storing_and_publishing_loses_nothing(
    driver: str,
    kafka_bootstrap: str,
    organization: str,
    publish: Publish,
    start_service: StartService,
    databases: DatabaseClient,
    tmp_path: Path,
) -> None:
    await publish(event("e1", at=5), event("e2", at=6, outcome="delivered"))
    await publish(event("e1", at=4, message="m2"))
    dying = await start_service(str(DYING), str(tmp_path / "died"), MONGO_DRIVER=driver)
    assert await asyncio.wait_for(dying.wait(), START_SECONDS) == -signal.SIGKILL
    stored = await databases["outreach_tracker"]["patients"].find({"organization_id": organization}).to_list()
    assert [one["_id"] for one in stored] == [f"{organization}:p1"]
    assert await told_of(kafka_bootstrap, organization) == {}
    await start_service(str(DYING), str(tmp_path / "died"), MONGO_DRIVER=driver)

    async def told() -> None:
        assert await told_of(kafka_bootstrap, organization) == {"m1": ["e2"], "m2": ["e1"]}

    await eventually(told, within=START_SECONDS)
