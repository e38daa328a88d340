"""What consuming costs at least: a program that a reader could write by hand, without any rules.

`python -m bench.floors many|single|single-careless BOOTSTRAP MONGODB_URI TOTAL SECONDS` reads the same topics and
stores the same facts in the same documents, one per patient, `w: majority`, with the driver that the
services use by default. `many`: aiokafka's `getmany`, orjson, one bulk write, one commit. `single`:
FastStream message by message, a pydantic model and one write each, acknowledged once it is stored;
`single-careless`: as its tutorial has it, acknowledged before, so that a kill loses messages. Prints
one JSON line: events and seconds, from the first record in hand to the last one stored.
"""

import asyncio
import json
import sys
import time
import uuid
from functools import partial
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from pymongo import UpdateOne

from shared.topics import RISK_ENGINE_TOPICS

FACTS = {"contact.changed.v1": "contact", "appointment.changed.v1": "appointments", "message.changed.v1": "messages"}
IDS = {"appointment.changed.v1": "appointment_id", "message.changed.v1": "message_id"}


def _update(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    kind, data = event["type"], event["data"]
    place = FACTS[kind] if kind not in IDS else f"{FACTS[kind]}.{data[IDS[kind]]}"
    return {"_id": f"{data['organization_id']}:{data['patient_id']}"}, {"$set": {place: data}}


def _collection(uri: str) -> Any:
    return AsyncIOMotorClient(uri, w="majority")["bench_floor"][f"timelines_{uuid.uuid4().hex[:8]}"]


async def many(bootstrap_servers: str, uri: str, total: int, seconds: float) -> tuple[int, float]:
    """Batches by hand."""
    timelines = _collection(uri)
    consumer = AIOKafkaConsumer(
        *RISK_ENGINE_TOPICS,
        bootstrap_servers=bootstrap_servers,
        group_id=f"floor-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )
    await consumer.start()
    stored, began = 0, 0.0
    while stored < total and (not stored or time.monotonic() < began + seconds):
        batches = await consumer.getmany(timeout_ms=200, max_records=2_000)
        if not batches:
            continue
        began = began or time.monotonic()
        events = [orjson.loads(record.value) for records in batches.values() for record in records]
        await timelines.bulk_write([UpdateOne(*_update(event), upsert=True) for event in events], ordered=False)
        await consumer.commit()
        stored += len(events)
    taken = time.monotonic() - began
    await consumer.stop()
    await timelines.drop()
    return stored, taken


class Event(BaseModel):
    """What the handler below is given."""

    type: str
    data: dict[str, Any]


async def single(
    bootstrap_servers: str, uri: str, total: int, seconds: float, policy: AckPolicy = AckPolicy.NACK_ON_ERROR
) -> tuple[int, float]:
    """Message by message."""
    timelines = _collection(uri)
    broker = KafkaBroker(bootstrap_servers, logger=None)
    app = FastStream(broker)
    stored, began, ended = 0, 0.0, 0.0

    @broker.subscriber(
        *RISK_ENGINE_TOPICS,
        group_id=f"floor-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        ack_policy=policy,
    )
    async def store(event: Event) -> None:
        nonlocal stored, began, ended
        began = began or time.monotonic()
        query, update = _update(event.model_dump())
        await timelines.update_one(query, update, upsert=True)
        stored += 1
        ended = time.monotonic()
        if stored >= total or ended > began + seconds:
            app.exit()

    await app.run()
    await timelines.drop()
    return stored, ended - began


if __name__ == "__main__":
    kind, servers, database, count, limit = sys.argv[1:]
    careless = partial(single, policy=AckPolicy.ACK_FIRST)
    floor = {"many": many, "single": single, "single-careless": careless}[kind]
    found, spent = asyncio.run(floor(servers, database, int(count), float(limit)))
    print(json.dumps({"events": found, "seconds": spent}), flush=True)
