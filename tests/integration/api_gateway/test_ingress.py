"""Events by HTTP lie in Kafka when they are acknowledged."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from integration.api_gateway.conftest import Clinic
from shared.kafka import ensure_topics
from shared.topics import OUTREACH_EVENTS, PARTITIONS


class Reader:
    """Reads what came into `outreach-events` since it was made."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._partitions = [TopicPartition(OUTREACH_EVENTS, number) for number in range(PARTITIONS)]

    async def start(self) -> None:
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_end(*self._partitions)
        for partition in self._partitions:
            await self._consumer.position(partition)

    async def read(self) -> list[ConsumerRecord]:
        ends = await self._consumer.end_offsets(self._partitions)
        found: list[ConsumerRecord] = []
        while any([await self._consumer.position(one) < ends[one] for one in self._partitions]):
            batches = await self._consumer.getmany(timeout_ms=100)
            found += [record for records in batches.values() for record in records]
        return sorted(found, key=lambda record: (record.partition, record.offset))


@pytest.fixture
async def reader(kafka_bootstrap: str) -> AsyncIterator[Reader]:
    await ensure_topics(kafka_bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    reader = Reader(consumer)
    await reader.start()
    yield reader
    await consumer.stop()


def event(clinic: Clinic, number: int, patient: str = "p1", **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"evt-{number}",
        "source": "/crm",
        "type": "outreach.outcome.v1",
        "time": datetime.now(UTC).isoformat(),
        "kept": {"by": "the publisher", "big": 2**70},
        "data": {
            "organization_id": clinic.id,
            "patient_id": patient,
            "channel": "sms",
            "outcome": "sent",
            "message_id": f"m-{number}",
        },
        **changes,
    }


async def test_an_acknowledged_event_is_there_as_it_was_sent(
    client: httpx.AsyncClient, clinic: Clinic, reader: Reader
) -> None:
    body = json.dumps(event(clinic, 1), indent=2)

    answer = await client.post(
        clinic.events,
        content=body,
        headers=clinic.headers("publisher") | {"Content-Type": "application/cloudevents+json"},
    )

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    (record,) = [one for one in await reader.read() if clinic.id.encode() in one.key]
    assert record.key == f"{clinic.id}:p1".encode()
    assert record.value == body.encode()
    assert dict(record.headers) == {"content-type": b"application/cloudevents+json; charset=UTF-8"}


async def test_a_thousand_events_arrive_once_each_and_in_order_for_each_patient(
    client: httpx.AsyncClient, clinic: Clinic, reader: Reader
) -> None:
    events = [event(clinic, number, f"p{number % 7}") for number in range(1000)]
    late = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    events[500]["time"] = late

    answer = await client.post(clinic.events, json=events, headers=clinic.headers())

    body = answer.json()
    assert (answer.status_code, body["accepted"]) == (202, 999)
    assert [(one["index"], one["id"]) for one in body["rejected"]] == [(500, "evt-500")]
    records = [one for one in await reader.read() if clinic.id.encode() in one.key]
    ids = [json.loads(record.value)["id"] for record in records]
    assert sorted(ids) == sorted(f"evt-{number}" for number in range(1000) if number != 500)
    for patient in range(7):
        own = [int(json.loads(r.value)["id"][4:]) for r in records if r.key == f"{clinic.id}:p{patient}".encode()]
        assert own == sorted(own)


async def test_nothing_of_a_refused_request_is_published(
    client: httpx.AsyncClient, clinic: Clinic, reader: Reader
) -> None:
    refused = [
        await client.post(clinic.events, json=[event(clinic, 1)] * 1001, headers=clinic.headers()),
        await client.post(clinic.events, json=event(clinic, 2), headers=clinic.headers("viewer")),
        await client.post(clinic.events, json=event(clinic, 3, type="x"), headers=clinic.headers()),
        await client.post("/api/v1/outreach/org_other/events", json=event(clinic, 4), headers=clinic.headers()),
    ]

    assert [answer.status_code for answer in refused] == [422, 403, 422, 404]
    assert not [one for one in await reader.read() if clinic.id.encode() in one.key]
