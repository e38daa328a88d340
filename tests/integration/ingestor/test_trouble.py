"""What Cliniko refuses, lacks or gets wrong, and what the status says then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration.ingestor.harness import Harness, a_clinic, a_large_clinic, of_type
from support.eventually import eventually
from support.sandbox.clinic import Clinic
from support.sandbox.faults import Fault


def inject(world: Harness, key: str, *rules: dict[str, Any]) -> None:
    world.sandbox.faults[key.removesuffix("-au1")].rules = [Fault.read(rule) for rule in rules]


async def loaded(world: Harness, clinic: Clinic | None = None, **settings: Any) -> tuple[str, Clinic]:
    clinic = clinic or a_clinic(world.sandbox)
    key = await world.add("org_a", clinic)
    await world.start(**settings)
    await world.until("org_a", "ok")
    await world.topics.read("org_a")
    return key, clinic


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_stops_the_organization_and_touches_nothing(world: Harness, status: int):
    key, clinic = await loaded(world)
    held = await world.own["records"].find({}, sort=[("_id", 1)]).to_list()
    cursors = await world.cursors("org_a")
    inject(world, key, {"path": "", "status": status, "times": 1_000_000})
    answer = await world.answered(await world.ask("org_a", full=True))
    assert (answer["state"], str(status) in answer["error"]) == ("failed", True)
    told = await world.status("org_a")
    assert (told["state"], told["last_error"]) == ("stopped", answer["error"])
    assert key not in told["last_error"]
    assert await world.topics.read("org_a") == []
    assert await world.own["records"].find({}, sort=[("_id", 1)]).to_list() == held
    assert await world.cursors("org_a") == cursors
    asked = len(world.sandbox.log.entries())
    inject(world, key)
    clinic.update("patients", "101", {"last_name": "Other"})
    assert len(await world.sync("org_a")) == 1, "somebody who asks finds out that the key works again"
    assert (await world.status("org_a"))["state"] == "ok"
    assert len(world.sandbox.log.entries()) > asked


async def test_a_refusal_in_the_middle_of_a_load_stops_it_there(world: Harness):
    key = await world.add("org_a", a_clinic(world.sandbox))
    inject(world, key, {"path": "/v1/attendees", "status": 403, "times": 1_000_000})
    await world.start()
    told = await world.until("org_a", "stopped")
    assert "/attendees" in told["last_error"]
    assert "permission" in told["last_error"]


async def test_a_stopped_organization_is_left_alone_until_its_key_changes(world: Harness):
    clinic = a_clinic(world.sandbox)
    await world.add("org_a", None, key="unknown-key-au1", sync_interval=1)
    await world.start()
    stopped = await world.until("org_a", "stopped")
    assert "401" in stopped["last_error"]
    await world.add("org_b", clinic, sync_interval=1)
    await world.until("org_b", "ok")
    before = len(world.sandbox.log.entries(path="/v1/recalls"))
    assert await world.status("org_a") == stopped
    await world.add("org_a", clinic, sync_interval=1)
    await world.until("org_a", "ok")
    assert len(world.sandbox.log.entries(path="/v1/recalls")) > before


async def test_the_same_key_stored_anew_is_tried_at_once(world: Harness):
    clinic = a_clinic(world.sandbox)
    key = await world.add("org_a", clinic)
    inject(world, key, {"path": "/v1/patients", "status": 403, "times": 1})
    await world.start()
    await world.until("org_a", "stopped")
    await world.add("org_a", clinic, key=key)
    await world.until("org_a", "ok")


async def test_an_api_key_that_cannot_be_opened_stops_the_organization_with_a_hint(world: Harness):
    await world.add("org_a", a_clinic(world.sandbox))
    change = {"$set": {"cliniko.key": "other:AAAA"}}
    await world.common["organizations"].update_one({"_id": "org_a"}, change)
    await world.start()
    told = await world.until("org_a", "stopped")
    assert "REENGAGE_ENCRYPTION_KEYS" in told["last_error"]


async def test_trouble_that_passes_is_waited_out(world: Harness):
    clinic = a_clinic(world.sandbox)
    key = await world.add("org_a", clinic)
    inject(
        world,
        key,
        {"path": "/v1/patients", "status": 503, "times": 2},
        {"path": "/v1/attendees", "status": 429, "reset_in": 1.0},
        {"path": "/v1/recalls", "cut": True},
    )
    await world.start()
    await world.until("org_a", "ok")
    assert len(of_type(await world.topics.read("org_a"), "contact.changed.v1")) == 2


async def test_a_list_that_fails_for_long_does_not_keep_the_others_back(
    world: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ingestor.cliniko.FIRST_PAUSE_SECONDS", 0.01)
    key, clinic = await loaded(world)
    await world.own["cursors"].update_many({}, {"$inc": {"since": -10_000_000}})
    cursors = await world.cursors("org_a")
    inject(world, key, {"path": "/v1/medical_alerts", "status": 500, "times": 1_000_000})
    clinic.create("medical_alerts", {"patient_id": "101", "name": "Asthma"})
    clinic.mark("individual_appointments", "201", True)
    answer = await world.answered(await world.ask("org_a"))
    assert answer["state"] == "failed"
    (event,) = await world.topics.read("org_a")
    assert event["data"]["arrived"] is True
    now = await world.cursors("org_a")
    assert now["medical_alerts"] == cursors["medical_alerts"]
    assert now["attendees"] > cursors["attendees"]
    inject(world, key)
    await world.until("org_a", "ok")
    (event,) = await world.topics.read("org_a")
    assert "Asthma" in event["data"]["health_conditions"]


async def test_an_account_without_recalls_is_followed_all_the_same(world: Harness):
    await world.add("org_a", a_clinic(world.sandbox, recalls=False))
    await world.start()
    await world.until("org_a", "ok")


@pytest.mark.parametrize("filters", ["recalls.*updated_at", "recalls.*(updated|archived)_at"])
async def test_recalls_that_cannot_be_filtered_are_read_whole(world: Harness, filters: str):
    key, clinic = await loaded(world)
    inject(world, key, {"path": filters, "status": 400, "times": 1_000_000})
    clinic.update("recalls", "951", {"recall_at": "2026-04-01"})
    (event,) = await world.sync("org_a")
    assert event["type"] == "recall.changed.v1"
    assert await world.sync("org_a", full=True) == []


async def test_an_account_without_a_list_of_deleted_patients_is_followed_all_the_same(world: Harness):
    key, clinic = await loaded(world)
    inject(world, key, {"path": "/v1/patients/deleted", "status": 404, "times": 1_000_000})
    clinic.delete("patients", "101")
    assert await world.sync("org_a") == []
    (event,) = await world.sync("org_a", full=True)
    assert (event["type"], event["subject"]) == ("contact.erased.v1", "101")


async def test_a_mass_disappearance_stops_the_organization_and_erases_nobody(world: Harness):
    _, clinic = await loaded(world, a_large_clinic(world.sandbox, 300))
    for number in range(30):
        clinic.delete("patients", str(100_000 + number))
        clinic.tombstones.remove(str(100_000 + number))
    answer = await world.answered(await world.ask("org_a", full=True))
    assert "30 of 300 patients" in answer["error"]
    assert (await world.status("org_a"))["state"] == "stopped"
    assert await world.topics.read("org_a") == []


async def test_patients_who_are_listed_but_answer_404_are_no_proof_of_an_erasure(world: Harness):
    key, clinic = await loaded(world, a_large_clinic(world.sandbox, 50))
    clinic.delete("patients", "100001")
    clinic.tombstones.remove("100001")
    inject(world, key, {"path": r"/v1/patients/\d+", "status": 404, "times": 1_000_000})
    answer = await world.answered(await world.ask("org_a", full=True))
    assert "404" in answer["error"]
    assert await world.topics.read("org_a") == []


async def test_a_removed_organization_is_let_go_and_nothing_of_it_is_kept(world: Harness):
    await loaded(world)
    gone = {"$set": {"removed_at": datetime.now(UTC) - timedelta(seconds=1)}}
    await world.common["organizations"].update_one({"_id": "org_a"}, gone)
    request = await world.ask("org_a")
    assert (await world.answered(request))["state"] == "failed"

    async def nothing_left() -> None:
        for name in ("records", "cursors", "sync_status"):
            assert await world.own[name].find_one({}) is None

    await eventually(nothing_left, within=20)
    await world.common["organizations"].update_one({"_id": "org_a"}, {"$set": {"removed_at": None}})
    await world.until("org_a", "ok")
    assert len(await world.topics.read("org_a")) == 6, "added again, it is loaded again"


async def test_who_asked_sees_how_far_it_is(world: Harness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ingestor.runner.REPORT_EVERY_SECONDS", 0.0)
    await world.add("org_a", a_large_clinic(world.sandbox, 1_200))
    request = await world.ask("org_a", full=True)
    await world.start()
    answer = await world.answered(request)
    assert answer["progress"]["published"] == 2_400
    assert {"resource", "read", "total", "published"} == answer["progress"].keys()
    status = await world.status("org_a")
    assert status["resources"]["patients"] == {"read": 1_200, "skipped": 0, "published": 1_200}
    assert status["last_sync_time"] >= status["last_started_at"]


async def test_who_asks_within_a_load_is_told_what_it_published(world: Harness):
    key = await world.add("org_a", a_large_clinic(world.sandbox, 1_200))
    inject(world, key, {"path": r"/v1/patients\?", "delay": 0.3, "times": 1_000_000})
    await world.start()
    await world.until("org_a", "syncing")
    answer = await world.answered(await world.ask("org_a"))
    assert answer["state"] == "done"
    assert answer["progress"]["published"] == 2_400
    assert (await world.answered(await world.ask("org_a")))["progress"]["published"] == 0


async def test_organizations_are_synchronized_again_and_again(world: Harness):
    clinic = a_clinic(world.sandbox)
    await world.add("org_a", clinic, sync_interval=1)
    await world.start()
    first = (await world.until("org_a", "ok"))["last_sync_time"]
    clinic.update("patients", "101", {"last_name": "Other"})

    async def again() -> None:
        status = await world.status("org_a")
        assert status["state"] == "ok"
        assert status["last_sync_time"] > first + timedelta(seconds=1)

    await eventually(again)
    assert len(await world.topics.read("org_a")) == 7


async def test_changes_do_not_wait_for_the_end_of_a_long_full_load(world: Harness):
    clinic = a_large_clinic(world.sandbox, 3_000)
    key = await world.add("org_a", clinic, sync_interval=1)
    await world.start()
    await world.until("org_a", "ok")
    await world.topics.read("org_a")
    inject(world, key, {"path": r"/v1/(patients|individual_appointments)\?", "delay": 0.3, "times": 1_000_000})
    request = await world.ask("org_a", full=True)

    async def under_way() -> None:
        found = await world.common["sync_requests"].find_one({"_id": request})
        assert found is not None
        assert (found["progress"] or {}).get("resource") == "patients"

    await eventually(under_way)
    clinic.update("patients", "102000", {"last_name": "Changed"})

    async def told() -> None:
        assert [event["subject"] for event in await world.topics.read("org_a")] == ["102000"]
        found = await world.common["sync_requests"].find_one({"_id": request})
        assert found is not None
        assert found["state"] == "running"

    await eventually(told, within=60)


async def test_odd_records_are_left_out_and_the_rest_goes_on(world: Harness):
    clinic = a_clinic(world.sandbox)
    clinic.records["individual_appointments"].load(
        [{"id": "299", "patient_id": "101", "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T09:00:00Z"}]
    )
    clinic.create("recalls", {"id": "952", "patient_id": "102", "recall_at": "9999-12-31"}, at="2026-01-05T09:00:00Z")
    await world.add("org_a", clinic)
    await world.start()
    status = await world.until("org_a", "ok")
    assert [status["resources"][each]["skipped"] for each in ("individual_appointments", "recalls")] == [1, 1]
    assert len(await world.topics.read("org_a")) == 6
