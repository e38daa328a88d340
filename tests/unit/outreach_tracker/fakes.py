"""A store in memory and reports to fold, for tests of the outreach tracker."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from outreach_tracker.store import Change, PatientHistory
from rules.instants import MICROSECOND, format_instant
from shared.consumer import Record
from shared.faults import TransientError
from shared.kafka import Outgoing
from shared.outreach import OutreachOutcome, TreatmentOutcome, parse_outreach_event

NOW = 1_795_600_000_000_000
ORGANIZATION = "org_x"


class MemoryHistoryStore:
    """Behaves as MongoHistoryStore does (one suite runs on both)."""

    def __init__(self) -> None:
        self.patients: dict[str, PatientHistory] = {}
        self.indexed = 0

    async def create_indexes(self) -> None:
        self.indexed += 1

    async def read(self, keys: Collection[str]) -> dict[str, PatientHistory]:
        return {key: self.patients[key] for key in keys if key in self.patients}

    async def save(self, changes: Sequence[Change]) -> set[str]:
        lost = set()
        for change in changes:
            stored = self.patients.get(change.after.key)
            if (stored.revision if stored else 0) != change.after.revision - 1:
                lost.add(change.after.key)
            else:
                self.patients[change.after.key] = change.after
        return lost

    async def purge(self, organization_id: str, before: int) -> int:
        gone = [
            key
            for key, patient in self.patients.items()
            if patient.organization_id == organization_id and patient.changed_at < before
        ]
        for key in gone:
            del self.patients[key]
        return len(gone)


class Publisher:
    """Keeps what is published; fails as often as told, before or after."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.failures = 0

    async def publish_all(self, records: Iterable[Outgoing]) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("Kafka is away")
        self.records += records

    @property
    def data(self) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"")["data"] for record in self.records]

    def states(self) -> dict[tuple[str, ...], Any]:
        """The final state of each message and treatment, as a reader that guards by revision sees it."""
        states: dict[tuple[str, ...], tuple[int, Any]] = {}
        for data in self.data:
            if "events" in data:
                name = (data["patient_id"], data["channel"], data["message_id"])
                state = data["events"]
            else:
                name = (data["patient_id"], data["source"], data["event_id"])
                state = (data["at"], data["outcome"])
            if name not in states or states[name][0] <= data["revision"]:
                states[name] = data["revision"], state
        return {name: state for name, (_, state) in states.items()}


def event(
    event_id: str = "e1",
    *,
    patient: str = "p1",
    source: str = "/crm",
    at: int = 0,
    channel: str = "sms",
    outcome: str = "sent",
    message: str = "m1",
    **more: Any,
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": "outreach.outcome.v1",
        "time": format_instant(NOW + at * MICROSECOND),
        "data": {
            "organization_id": ORGANIZATION,
            "patient_id": patient,
            "channel": channel,
            "outcome": outcome,
            "message_id": message,
            **more,
        },
    }


def treatment(event_id: str = "t1", *, patient: str = "p1", at: int = 0, outcome: str = "improved") -> dict[str, Any]:
    told = event(event_id, patient=patient, at=at) | {"type": "treatment.outcome.v1"}
    return told | {"data": {"organization_id": ORGANIZATION, "patient_id": patient, "outcome": outcome}}


def report(told: dict[str, Any]) -> OutreachOutcome | TreatmentOutcome:
    return parse_outreach_event(told, received_at=NOW, key=None)


def record(told: dict[str, Any] | bytes, offset: int = 0, key: bytes | None = None) -> Record:
    if isinstance(told, bytes):
        return Record("outreach-events", 0, offset, key, told, (), NOW)
    data = told["data"]
    own = f"{data['organization_id']}:{data['patient_id']}".encode()
    return Record("outreach-events", 0, offset, key or own, json.dumps(told).encode(), (), NOW)
