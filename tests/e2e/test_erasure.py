"""An erased patient leaves nothing personal anywhere, and stays in the numbers of the days before."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pymongo import MongoClient

from shared.topics import CONTACTS, OUTREACH_EVENTS, PARTITIONS, TOPICS, dead_letters_of
from support.clinics import random_clinic
from support.eventually import eventually
from support.system import CommandFailed, Json, System

ORGANIZATION = "org_erasure"
ROUTE = "reengagement/{org}/"
HERE, CLINIKO, SURVIVOR, MERGED, OTHER = (f"15088123456789{number}" for number in (10001, 20002, 30003, 40004, 50005))
"""Erased by the command; deleted in Cliniko; erased with the one merged into it; who stays."""

ERASED = (HERE, CLINIKO, SURVIVOR, MERGED)
TOMBSTONE_KEPT = [topic.name for topic in TOPICS if topic.compacted]


def personal(patient: str) -> dict[str, str]:
    """What is told of a patient, each text found nowhere else."""
    return {
        "first_name": f"Zebulon{patient[-5:]}",
        "last_name": f"Quixotry{patient[-5:]}",
        "email": f"zq{patient[-5:]}@patient.example",
        "phone": f"+614915{patient[-5:]}",
        "alert": f"Allergic to quince {patient[-5:]}",
        "reason": f"moved to Ulm {patient[-5:]}",
        "staff": f"Nurse Vexley {patient[-5:]}",
        "campaign": f"campaign-{patient[-5:]}",
        "treatment": f"knee regained {patient[-5:]}",
    }


TRACES = re.compile("|".join(re.escape(text) for patient in ERASED for text in personal(patient).values()))
IDS = re.compile("|".join(ERASED))


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Clinic:
    system: System
    key: str

    def change(self, method: str, path: str, body: Json | None = None) -> Json:
        return self.system.change(method, f"clinics/{self.key}/{path}", body)

    def create(self, kind: str, record: Json) -> None:
        self.change("POST", f"records/{kind}", record)

    def patient(self, patient: str) -> int:
        return self.system.ask(ORGANIZATION, ROUTE + "patients/" + patient).status_code

    def numbers(self) -> list[Json]:
        """What is said of days before today."""
        found = []
        for back in (1, 9, 25, 60):
            day = (datetime.now(UTC).date() - timedelta(days=back)).isoformat()
            found += [
                self.system.get(ORGANIZATION, ROUTE + "risk-metrics", as_of=day),
                self.system.get(ORGANIZATION, ROUTE + "performance", as_of=day, days=30),
                self.system.get(ORGANIZATION, ROUTE + "trends", as_of=day, period="90d"),
                self.system.get(ORGANIZATION, "cliniko/active-patients/{org}/summary", as_of=day),
            ]
        told_apart = ("last_updated", "timestamp", "last_sync_date")
        return [{name: value for name, value in one.items() if name not in told_apart} for one in found]

    def listed(self, back: int) -> list[Json]:
        day = (datetime.now(UTC).date() - timedelta(days=back)).isoformat()
        path = ROUTE + "patients/prioritized"
        rows: list[Json] = self.system.whole_list(
            ORGANIZATION, path, "patients", as_of=day, include_dormant="true", explain="true"
        )["patients"]
        return rows

    def violations(self) -> list[Json]:
        try:
            found: list[Json] = self.system.reengage("verify", ORGANIZATION)["violations"]
        except CommandFailed as failed:
            found = json.JSONDecoder().raw_decode(str(failed).partition("\n")[2])[0]["violations"]
        return found


@pytest.fixture(scope="module")
def clinic(system: System) -> Clinic:
    """Five patients with every kind of fact; one is merged into another."""
    empty = random_clinic(1, patients=1, end=date(2020, 1, 1), time_zone="UTC")
    found = Clinic(system, system.serve_clinic({"cliniko": {kind: [] for kind in empty.cliniko}}))
    for kind, record in (
        ("businesses", {"id": "1", "business_name": "Sample", "time_zone_identifier": "UTC"}),
        ("appointment_types", {"id": "2", "name": "Follow-up", "duration_in_minutes": 30}),
        ("practitioners", {"id": "3", "first_name": "Quinn", "last_name": "Placeholder", "active": True}),
    ):
        found.create(kind, record)
    for number, patient in enumerate((*ERASED, OTHER)):
        _live(found, patient, number)
    system.add_organization(ORGANIZATION, found.key, {"time_zone": "UTC"})
    for patient in (*ERASED, OTHER):
        system.report(ORGANIZATION, list(_outreach(patient)))
    system.synchronize(ORGANIZATION)
    found.change("POST", f"patients/{MERGED}/merge", {"into": SURVIVOR})
    system.synchronize(ORGANIZATION, full=True)
    return found


def _live(clinic: Clinic, patient: str, number: int) -> None:
    told = personal(patient)
    clinic.create(
        "patients",
        {
            "id": patient,
            "created_at": ago(days=200),
            "first_name": told["first_name"],
            "last_name": told["last_name"],
            "email": told["email"],
            "patient_phone_numbers": [{"number": told["phone"], "phone_type": "Mobile"}],
        },
    )
    common = {"patient_id": patient, "appointment_type_id": "2", "practitioner_id": "3", "business_id": "1"}
    for days in (100, 70 + number, 40):
        clinic.create("individual_appointments", {**common, "starts_at": ago(days=days), "created_at": ago(days=110)})
    clinic.create("medical_alerts", {"patient_id": patient, "name": told["alert"]})
    clinic.create("recalls", {"patient_id": patient, "recall_at": ago(days=20)[:10], "created_at": ago(days=40)})
    clinic.change("POST", "reply", {"patient_id": patient})


def _outreach(patient: str) -> Iterator[Json]:
    told = personal(patient)
    envelope = {"specversion": "1.0", "source": "/crm"}
    ids = {"organization_id": ORGANIZATION, "patient_id": patient}
    for number, (days, outcome) in enumerate(((20, "sent"), (19, "failed"), (5, "sent"))):
        more = {"reason": told["reason"], "staff": told["staff"], "campaign": told["campaign"]}
        message = {
            "channel": "sms",
            "outcome": outcome,
            "message_id": f"m{number // 2}",
            "attempt_id": f"a{number // 2}",
        }
        event = {"id": f"e{number}-{patient}", "type": "outreach.outcome.v1", "time": ago(days=days)}
        yield {**envelope, **event, "data": {**ids, **message, **more}}
    event = {"id": f"t-{patient}", "type": "treatment.outcome.v1", "time": ago(days=30)}
    yield {**envelope, **event, "data": {**ids, "outcome": told["treatment"]}}


class Kafka:
    """All topics of the stack, read from the beginning."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def read(self, *topics: str) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(places)
            await consumer.seek_to_beginning(*places)
            found: list[ConsumerRecord] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=300)).values():
                    found += records
            return found
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap)
        await producer.start()
        yield producer
        await producer.stop()

    @asynccontextmanager
    async def hastened(self, topics: list[str]) -> AsyncIterator[None]:
        """Has compaction, which is due after days, be due now; afterwards as before.

        Meanwhile a record can go before it was read: of what is told then of another patient, too.
        """
        own = {"cleanup.policy": "compact,delete", "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1"}
        await self._configure(dict.fromkeys(topics, own | {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}))
        try:
            yield
        finally:
            await self._configure({topic.name: topic.configs for topic in TOPICS if topic.name in topics})

    async def _configure(self, topics: Mapping[str, dict[str, str]]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic, configs) for topic, configs in topics.items()]
        await admin.alter_configs(wanted)
        await admin.close()

    async def roll(self, topics: list[str]) -> None:
        """A record in every partition: with it the segment before is closed, and can be compacted."""
        async with self.producer() as producer:
            for topic in topics:
                for number in range(PARTITIONS):
                    await producer.send_and_wait(topic, None, key=b"nobody:at-all", partition=number)


@pytest.fixture(scope="module")
def kafka(system: System) -> Kafka:
    return Kafka(f"127.0.0.1:{system.environment['REENGAGE_KAFKA_PORT']}")


def _in_mongodb(system: System, pattern: re.Pattern[str]) -> list[str]:
    """The collections in which some document holds a trace, keys and values as text."""
    port = system.environment["REENGAGE_MONGODB_PORT"]
    client: MongoClient[dict[str, Any]] = MongoClient(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0")
    found = []
    for database in set(client.list_database_names()) - {"admin", "config", "local"}:
        for collection in client[database].list_collection_names():
            scopes = _retired(client) if database == "risk_engine" else set()
            for document in client[database][collection].find({}):
                if document.get("scope") not in scopes and pattern.search(repr(document)):
                    found.append(f"{database}.{collection}")
    client.close()
    return sorted(set(found))


def _retired(client: MongoClient[dict[str, Any]]) -> set[str]:
    """Results that were served until a minute ago, and go with the next."""
    standings = client["risk_engine"]["standings"].find({})
    return {f"{each['_id']}|{retired['generation']}" for each in standings for retired in each["retired"]}


def _in_logs(home: Path, pattern: re.Pattern[str]) -> set[str]:
    logs = list((home / "logs").glob("*"))
    assert {"mongodb.log", "risk-engine-1.log", "outreach-tracker-1.log", "ingestor-1.log"} <= {
        log.name for log in logs
    }
    return {log.name for log in logs if pattern.search(log.read_text(errors="replace"))}


async def test_an_erased_patient_leaves_no_trace_but_the_numbers(clinic: Clinic, kafka: Kafka) -> None:
    system = clinic.system
    async with kafka.producer() as producer:  # what breaks a rule is set aside with all it says
        for patient in (HERE, OTHER):
            text = json.dumps({"specversion": "1.0", "id": "x", "note": personal(patient)["reason"]})
            await producer.send_and_wait(OUTREACH_EVENTS, text.encode(), key=f"{ORGANIZATION}:{patient}".encode())
    await asyncio.to_thread(system.settle)
    assert _in_mongodb(system, TRACES)
    assert clinic.violations() == []
    before, rows = clinic.numbers(), {back: clinic.listed(back) for back in (1, 25)}
    assert [clinic.patient(patient) for patient in (*ERASED, OTHER)] == [200, 200, 200, 404, 200]

    told = system.reengage("erase", ORGANIZATION, HERE, "--yes")
    assert (told["state"], told["patients"], told["erased"]["appointments"]) == ("erased", 1, 3)
    told = system.reengage("erase", ORGANIZATION, SURVIVOR, "--yes")
    assert (told["state"], told["patients"]) == ("erased", 2)
    clinic.change("DELETE", f"records/patients/{CLINIKO}")
    system.synchronize(ORGANIZATION, full=True)

    assert [clinic.patient(patient) for patient in (*ERASED, OTHER)] == [404, 404, 404, 404, 200]
    assert clinic.numbers() == before
    for back, earlier in rows.items():
        now = clinic.listed(back)
        erased = [row for row in now if row["name"] == "Erased patient"]
        assert len(now) == len(earlier)
        assert len(erased) == len(now) - 1
        assert not IDS.search(json.dumps(now))
        assert not TRACES.search(json.dumps(now))
        assert sorted(row["risk_score"] for row in now) == sorted(row["risk_score"] for row in earlier)
    assert clinic.violations() == []
    await _is_gone(clinic)
    letters = await kafka.read(*(dead_letters_of(topic.name) for topic in TOPICS))
    assert [letter.key for letter in letters] == [f"{ORGANIZATION}:{OTHER}".encode()], "only hers is deleted"

    system.reengage("rebuild", ORGANIZATION)
    system.reengage("rebuild", ORGANIZATION, "--from-cliniko")
    system.synchronize(ORGANIZATION, full=True)
    assert clinic.numbers() == before
    assert clinic.violations() == []
    assert system.reengage("erase", ORGANIZATION, HERE, "--yes")["state"] == "erased", "a second time is no error"
    await _is_gone(clinic)


async def _is_gone(clinic: Clinic) -> None:
    def gone() -> None:
        assert _in_mongodb(clinic.system, TRACES) == []
        assert _in_mongodb(clinic.system, IDS) == []

    await eventually(gone, within=30)


async def test_what_comes_later_is_dropped_and_not_set_aside(clinic: Clinic, kafka: Kafka) -> None:
    clinic.system.report(ORGANIZATION, list(_outreach(HERE)))
    clinic.create("recalls", {"patient_id": HERE, "recall_at": ago(days=2)[:10]})
    clinic.system.synchronize(ORGANIZATION)
    await _is_gone(clinic)
    async with kafka.producer() as producer:
        await producer.send_and_wait(OUTREACH_EVENTS, b"{", key=f"{ORGANIZATION}:{HERE}".encode())
    clinic.system.settle()
    letters = await kafka.read(*(dead_letters_of(topic.name) for topic in TOPICS))
    assert [letter.key for letter in letters] == [f"{ORGANIZATION}:{OTHER}".encode()]


async def test_every_topic_ends_with_a_tombstone_and_compaction_removes_the_rest(clinic: Clinic, kafka: Kafka) -> None:
    for patient in ERASED:
        key = f"{ORGANIZATION}:{patient}".encode()
        for topic in (*TOMBSTONE_KEPT, OUTREACH_EVENTS):
            records = [record for record in await kafka.read(topic) if record.key == key]
            assert max(records, key=lambda record: record.offset).value is None, (patient, topic)

    async def compacted() -> None:
        await kafka.roll(TOMBSTONE_KEPT)
        records = await kafka.read(*TOMBSTONE_KEPT)
        kept = {record.topic for record in records if record.value and IDS.search(record.value.decode())}
        assert kept == set()
        assert not any(TRACES.search((record.value or b"").decode()) for record in records)

    async with kafka.hastened(TOMBSTONE_KEPT):
        await eventually(compacted, within=180)
    assert [record for record in await kafka.read(CONTACTS) if OTHER in (record.value or b"").decode()]


async def test_no_log_ever_names_a_patient(clinic: Clinic) -> None:
    logs = clinic.system.home
    assert _in_logs(logs, TRACES) == set()
    assert _in_logs(logs, IDS) == set()
