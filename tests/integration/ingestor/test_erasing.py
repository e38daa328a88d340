"""A patient whom the clinic wants erased here, although Cliniko still has them; and facts told anew."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ingestor.ledger import Ledger
from integration.ingestor.harness import Harness, a_clinic
from support.eventually import eventually
from support.sandbox.clinic import Clinic

Json = dict[str, Any]
LOADED = 6
"""Facts of the small clinic."""


@pytest.fixture
async def clinic(world: Harness) -> AsyncIterator[Clinic]:
    clinic = a_clinic(world.sandbox)
    await world.add("org_a", clinic)
    await world.start()
    await world.until("org_a", "ok")
    assert len(await world.topics.read("org_a")) == LOADED
    return clinic


async def erase(world: Harness, patient: str, org: str = "org_a") -> Json:
    """Asks as the CLI does; the request once it is served."""
    request = uuid.uuid4().hex
    asked = {"_id": request, "organization_id": org, "patient_id": patient}
    await world.common["erasure_requests"].insert_one(
        asked | {"requested_at": datetime.now(UTC), "state": "requested", "error": None}
    )

    async def served() -> Json:
        found = await world.common["erasure_requests"].find_one({"_id": request})
        assert found is not None
        assert found["state"] != "requested"
        return found

    return await eventually(served, within=30)


async def held(world: Harness) -> set[str]:
    """Every id and every patient that is held or told of."""
    found = await world.own["records"].find({}).to_list()
    return {text for each in found for text in (each["id"], each.get("patient"), *each.get("p", ())[:2]) if text}


async def test_an_erased_patient_is_told_once_forgotten_and_never_taken_in_again(world: Harness, clinic: Clinic):
    served = await erase(world, "101")
    assert (served["state"], "patient_id" in served) == ("done", False)
    (event,) = await world.topics.read("org_a")
    assert (event["type"], event["subject"]) == ("contact.erased.v1", "101")
    clinic.update("patients", "101", {"last_name": "Other"})
    clinic.create("medical_alerts", {"patient_id": "101", "name": "Asthma"})
    clinic.create("individual_appointments", {"patient_id": "101", "starts_at": "2026-05-01T00:00:00Z"})
    for full in (False, True):
        assert await world.sync("org_a", full=full) == []
    assert "101" not in await held(world)


async def test_who_was_merged_into_an_erased_patient_is_erased_with_them(world: Harness, clinic: Clinic):
    clinic.merge("101", "102")
    await world.sync("org_a")
    await erase(world, "102")
    told = await world.topics.read("org_a")
    assert sorted((event["type"], event["subject"]) for event in told) == [
        ("contact.erased.v1", "101"),
        ("contact.erased.v1", "102"),
    ]
    assert await world.sync("org_a", full=True) == []
    assert {"101", "102"} & await held(world) == set()


async def test_a_batch_in_hand_does_not_bring_an_erased_patient_back(
    world: Harness, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
):
    settle = Ledger.settle
    clinic.update("patients", "101", {"last_name": "Other"})

    async def settle_late(ledger: Ledger) -> None:
        write = ledger._work.records.write

        async def write_late(*arguments: Any, **options: Any) -> bool:
            monkeypatch.undo()
            await erase(world, "101")
            return await write(*arguments, **options)

        monkeypatch.setattr(ledger._work.records, "write", write_late)
        await settle(ledger)

    monkeypatch.setattr(Ledger, "settle", settle_late)
    await world.sync("org_a")
    assert "101" not in await held(world)


async def test_an_erasure_in_an_unknown_organization_fails(world: Harness, clinic: Clinic):
    served = await erase(world, "101", org="org_else")
    assert (served["state"], served["error"]) == ("failed", "there is no organization org_else")
    assert "patient_id" not in served
    assert await world.topics.read("org_a") == []


async def test_everything_can_be_told_anew(world: Harness, clinic: Clinic):
    asked = {"_id": "again", "organization_id": "org_a", "full": True, "again": True, "state": "requested"}
    await world.common["sync_requests"].insert_one(asked | {"requested_at": datetime.now(UTC), "progress": None})
    assert (await world.answered("again"))["state"] == "done"
    assert len(await world.topics.read("org_a")) == LOADED
    assert await world.sync("org_a", full=True) == []
