"""Any history of a clinic, with failures at any point: what was told adds up to what Cliniko has."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from ingestor import ledger
from ingestor.store.records import RecordStore
from integration.ingestor.harness import Harness, Json
from integration.ingestor.test_whole_clinics import END, assert_facts, served
from support.clinics import random_clinic
from support.oracle.cliniko_records import read_facts
from support.sandbox.catalog import RESOURCES
from support.sandbox.clinic import Clinic

ROUNDS = 25
KEPT = [kind for kind in RESOURCES if kind != "recall_types"]


class CrashError(Exception):
    """As if the process had ended here."""


class History:
    """Changes things in a clinic, as staff and patients do."""

    def __init__(self, clinic: Clinic, seed: int) -> None:
        self.clinic = clinic
        self.rng = Random(f"history {seed}")
        self.receivers: set[str] = set()
        """Patients to whom records moved: erased soon after, they would take along what was told of others."""

        self.changes: list[Callable[[], object]] = [
            self.rename_patient,
            self.add_condition,
            self.archive_something,
            self.move_condition,
            self.book,
            self.move_in_time,
            self.hand_over,
            self.cancel,
            self.mark,
            self.mark_place,
            self.change_class,
            self.change_place,
            self.rename,
            self.reply,
            self.move_reply,
            self.recall,
            self.merge,
            self.erase,
        ]

    def happen(self) -> None:
        self.rng.choice(self.changes)()

    def one(self, kind: str) -> str:
        return self.rng.choice(sorted(self.clinic.records[kind]))

    def receiver(self) -> str:
        who = self.one("patients")
        self.receivers.add(who)
        return who

    def word(self) -> str:
        return f"w{self.rng.randrange(1_000)}"

    def time(self) -> str:
        return f"2026-0{self.rng.randrange(1, 10)}-1{self.rng.randrange(10)}T0{self.rng.randrange(10)}:00:00Z"

    def rename_patient(self) -> None:
        field = self.rng.choice(["first_name", "last_name", "email", "referral_source"])
        self.clinic.update("patients", self.one("patients"), {field: self.word()})

    def add_condition(self) -> None:
        kind = self.rng.choice(["medical_alerts", "patient_cases"])
        self.clinic.create(kind, {"patient_id": self.one("patients"), "name": self.word()})

    def archive_something(self) -> None:
        kinds = (
            "medical_alerts patient_cases individual_appointments group_appointments attendees recalls communications"
        )
        kind = self.rng.choice([each for each in kinds.split() if self.clinic.records[each]])
        self.clinic.archive(kind, self.one(kind))

    def move_condition(self) -> None:
        self.clinic.update("medical_alerts", self.one("medical_alerts"), {"patient_id": self.receiver()})

    def book(self) -> None:
        if self.rng.random() < 0.5:
            fields = {"patient_id": self.one("patients"), "starts_at": self.time(), "appointment_type_id": "T1"}
            self.clinic.create("individual_appointments", fields)
            return
        group = self.clinic.create("group_appointments", {"starts_at": self.time(), "appointment_type_id": "T5"})
        for _ in range(self.rng.randrange(3)):
            self.clinic.create("attendees", {"booking_id": group, "patient_id": self.one("patients")})

    def move_in_time(self) -> None:
        kind = self.rng.choice(["individual_appointments", "group_appointments"])
        self.clinic.update(kind, self.one(kind), {"starts_at": self.time()})

    def hand_over(self) -> None:
        who = self.receiver()
        self.clinic.update("individual_appointments", self.one("individual_appointments"), {"patient_id": who})

    def cancel(self) -> None:
        self.clinic.cancel("individual_appointments", self.one("individual_appointments"), reason=30, note=None)

    def mark(self) -> None:
        mark = self.rng.choice([True, False, None])
        self.clinic.mark("individual_appointments", self.one("individual_appointments"), mark)

    def place(self) -> str:
        classes, attendees = self.clinic.records["group_appointments"], self.clinic.records["attendees"]
        places = sorted(each for each in attendees if attendees[each].get("booking_id") in classes)
        return self.rng.choice(places)

    def mark_place(self) -> None:
        self.clinic.mark("attendees", self.place(), self.rng.choice([True, False, None]))

    def change_class(self) -> None:
        changes = {"practitioner_id": self.rng.choice(["P1", "P2", "P3"]), "starts_at": self.time()}
        self.clinic.update("group_appointments", self.one("group_appointments"), changes)

    def change_place(self) -> None:
        change = self.rng.choice([{"patient_id": self.receiver()}, {"booking_id": self.one("group_appointments")}])
        self.clinic.update("attendees", self.place(), change)

    def rename(self) -> None:
        kind, field = self.rng.choice([("appointment_types", "name"), ("practitioners", "display_name")])
        self.clinic.update(kind, self.one(kind), {field: self.word()})

    def reply(self) -> None:
        fields: Json = {"patient_id": self.one("patients"), "type_code": 1}
        direction = self.rng.choice(
            [
                {"direction_code": 2, "direction_description": "Received"},
                {"direction_code": 1, "direction_description": "Sent"},
            ]
        )
        self.clinic.create("communications", fields | direction)

    def move_reply(self) -> None:
        if self.clinic.records["communications"]:
            self.clinic.update("communications", self.one("communications"), {"patient_id": self.receiver()})

    def recall(self) -> None:
        if self.clinic.records["recalls"] and self.rng.random() < 0.6:
            change = self.rng.choice([{"recall_at": "2026-07-01"}, {"patient_id": self.receiver()}])
            self.clinic.update("recalls", self.one("recalls"), change)
        else:
            self.clinic.create("recalls", {"patient_id": self.one("patients"), "recall_at": "2026-06-01"})

    def merge(self) -> None:
        loser, winner = self.one("patients"), self.receiver()
        merged = self.clinic.records["patients"]
        if loser != winner and not merged[loser].get("merged_at") and not merged[winner].get("merged_at"):
            self.clinic.merge(loser, winner, move_records=self.rng.random() < 0.5)

    def erase(self) -> None:
        patients = self.clinic.records["patients"]
        survivors = {patients[each].get("merged_with_patient_id") for each in patients}
        alone = sorted(patients.keys() - self.receivers - survivors)
        if alone and self.rng.random() < 0.3:
            self.clinic.delete("patients", self.rng.choice(alone))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_any_history_with_crashes(world: Harness, seed: int, monkeypatch: pytest.MonkeyPatch):
    clinic = served(world, random_clinic(seed, end=END).cliniko)
    history = History(clinic, seed)
    crashes = Crashes(history.rng, monkeypatch)
    await world.add("org_any", clinic)
    await world.start()
    for _ in range(ROUNDS):
        for _ in range(history.rng.randrange(1, 6)):
            history.happen()
        crashes.left = history.rng.choice([None, None, *range(6)])
        await world.answered(await world.ask("org_any", full=history.rng.random() < 0.1))
    crashes.left = None
    answer = await world.answered(await world.ask("org_any", full=True))
    assert answer["state"] == "done", answer
    events = await world.topics.read("org_any")
    assert crashes.count > 3
    erased = {event["subject"] for event in events if event["type"] == "contact.erased.v1"}
    assert erased == set(clinic.tombstones)
    assert_facts(remaining(events, erased), read_facts(records_of(clinic), [], "org_any"))
    assert await world.sync("org_any", full=True) == []


class Crashes:
    """Ends a synchronization at one of its steps: before or after publishing, or after storing."""

    def __init__(self, rng: Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.count = 0
        publish, write = ledger.Work.publish, RecordStore.write

        async def published(work: ledger.Work, told: Any) -> None:
            if told:
                self._perhaps()
            await publish(work, told)
            if told:
                self._perhaps()

        async def written(store: RecordStore, org: str, writes: Any, *, guarded: bool = True) -> bool:
            done = await write(store, org, writes, guarded=guarded)
            self._perhaps()
            return done

        monkeypatch.setattr(ledger.Work, "publish", published)
        monkeypatch.setattr(RecordStore, "write", written)

    def _perhaps(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            self.count += 1
            raise CrashError


def remaining(events: list[Json], erased: set[str]) -> list[Json]:
    """The events without what is withdrawn by an erasure, or by a later one that says it left."""
    kept = [event for event in events if event["subject"] not in erased]
    left: dict[tuple[str, str], tuple[str, str]] = {}
    for event in kept:
        kind, what, _ = event["type"].split(".")
        if what == "left":
            key = (event["subject"], f"{kind}/{fact_id(event)}")
            left[key] = max(left.get(key, ("", "")), order(event))
    return [
        event
        for event in kept
        if event["type"].split(".")[1] != "left"
        and order(event) > left.get((event["subject"], f"{event['type'].split('.')[0]}/{fact_id(event)}"), ("", ""))
    ]


def fact_id(event: Json) -> str:
    data = event["data"]
    return str(data.get("appointment_id") or data.get("communication_id") or data.get("recall_id"))


def order(event: Json) -> tuple[str, str]:
    version = event["data"]["version"]
    return version["updated_at"], version["read_at"]


def records_of(clinic: Clinic) -> dict[str, list[Json]]:
    return {kind: [clinic.body(kind, each) for each in clinic.records[kind]] for kind in KEPT}
