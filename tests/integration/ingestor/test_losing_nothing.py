"""Killed, cut off and restarted: what Cliniko says arrives all the same, and cursors wait for it."""

import signal
from collections import Counter

import pytest

from ingestor import ledger
from ingestor.outlet import Outlet
from integration.ingestor.harness import Harness, a_clinic, a_large_clinic, harness, of_type, wait_for
from local_stack.processes import Process
from shared.kafka import ensure_topics
from support.sandbox.clinic import Clinic
from support.sandbox.state import Sandbox


@pytest.mark.parametrize("passes", [0, 2])
async def test_killed_between_kafka_and_the_store_it_tells_again_and_loses_nothing(world: Harness, passes: int):
    await world.add("org_a", a_large_clinic(world.sandbox, 2_500))
    doomed = await world.spawn("ingestor-1", TEST_LEASE="4", REENGAGE_FAILPOINT=f"ingestor.after_publish:exit:{passes}")
    assert await doomed.ended() == -signal.SIGKILL
    assert "patients" not in await world.cursors("org_a")
    before = await world.topics.read("org_a")
    assert before
    await world.spawn("ingestor-2", TEST_LEASE="4")
    await world.until("org_a", "ok", within=60)
    after = await world.topics.read("org_a")
    told = Counter((event["type"], event["subject"]) for event in before + after)
    assert len(told) == 5_000
    repeated = sum(count > 1 for count in told.values())
    assert 0 < repeated <= 1_000, "at most the batch that was under way is told again"


async def test_an_incremental_change_survives_a_kill_before_it_is_stored(world: Harness):
    clinic = a_clinic(world.sandbox)
    await world.add("org_a", clinic)
    first = await world.spawn("ingestor-1", TEST_LEASE="4")
    await world.until("org_a", "ok")
    await first.kill()
    await world.topics.read("org_a")
    cursors = await world.cursors("org_a")
    clinic.mark("individual_appointments", "201", False)
    clinic.create("medical_alerts", {"patient_id": "102", "name": "Asthma"})
    doomed = await world.spawn("ingestor-2", TEST_LEASE="4", REENGAGE_FAILPOINT="ingestor.after_publish:exit:1")
    request = await world.ask("org_a")
    assert await doomed.ended() == -signal.SIGKILL
    assert (await world.cursors("org_a"))["attendees"] == cursors["attendees"]
    await world.spawn("ingestor-3", TEST_LEASE="4")
    assert (await world.answered(request, within=60))["state"] == "done"
    events = await world.topics.read("org_a")
    assert {each["did_not_arrive"] for each in of_type(events, "appointment.changed.v1")} == {True}
    assert of_type(events, "contact.changed.v1")[-1]["health_conditions"] == ["Asthma"]


def with_alerts(clinic: Clinic) -> Clinic:
    for number in range(150):
        clinic.create("medical_alerts", {"patient_id": str(100_000 + number), "name": "Asthma"})
    return clinic


def alerts_read_whole(world: Harness) -> bool:
    asked = [each.query for each in world.sandbox.log.entries(path="/v1/medical_alerts")]
    return any("updated_at" not in query and "deleted_at" not in query for query in asked)


async def test_a_full_load_goes_on_where_a_kill_interrupted_it(world: Harness):
    await world.add("org_a", with_alerts(a_large_clinic(world.sandbox, 2_500)))
    doomed = await world.spawn("ingestor-1", TEST_LEASE="4", TEST_CRASH="in-patients:1")
    assert await doomed.ended() == -signal.SIGKILL
    world.sandbox.log.clear()
    await world.spawn("ingestor-2", TEST_LEASE="4")
    await world.until("org_a", "ok", within=60)
    assert not alerts_read_whole(world), "its alerts had all been read"
    events = await world.topics.read("org_a")
    assert len({each["patient_id"] for each in of_type(events, "contact.changed.v1")}) == 2_500


@pytest.mark.parametrize("again", [False, True])
async def test_a_full_load_that_was_asked_for_goes_on_where_a_kill_interrupted_it(world: Harness, again: bool):
    await world.add("org_a", with_alerts(a_large_clinic(world.sandbox, 2_500)))
    first = await world.spawn("ingestor-1", TEST_LEASE="4")
    await world.until("org_a", "ok", within=60)
    await first.kill()
    await world.topics.read("org_a")
    world.sandbox.log.clear()
    request = await world.ask("org_a", full=True, again=again)
    doomed = await world.spawn("ingestor-2", TEST_LEASE="4", TEST_CRASH="in-patients:1")
    assert await doomed.ended() == -signal.SIGKILL
    assert alerts_read_whole(world)
    world.sandbox.log.clear()
    await world.spawn("ingestor-3", TEST_LEASE="4")
    assert (await world.answered(request))["state"] == "done"
    assert not alerts_read_whole(world), "its alerts had all been read"
    told = Counter((event["type"], event["subject"]) for event in await world.topics.read("org_a"))
    assert len(told) == (5_000 if again else 0)
    assert await world.own["records"].find_one({"p.2": ""}) is None, "nothing is left in doubt"


async def test_a_full_load_asked_for_after_one_was_interrupted_is_a_new_one(world: Harness):
    await world.add("org_a", with_alerts(a_large_clinic(world.sandbox, 2_500)))
    doomed = await world.spawn("ingestor-1", TEST_LEASE="4", TEST_CRASH="in-patients:1")
    assert await doomed.ended() == -signal.SIGKILL
    world.sandbox.log.clear()
    request = await world.ask("org_a", full=True)
    await world.spawn("ingestor-2", TEST_LEASE="4")
    assert (await world.answered(request))["state"] == "done"
    assert alerts_read_whole(world)


async def test_without_kafka_no_cursor_moves_and_nothing_is_lost(
    own_kafka: tuple[Process, str],
    mongodb_uri: str,
    unique_name: str,
    sandbox: Sandbox,
    base_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    broker, address = own_kafka
    monkeypatch.setattr(ledger, "KAFKA_PATIENCE_SECONDS", 1.0)
    await ensure_topics(address)
    async with harness(address, mongodb_uri, "motor", unique_name, sandbox, base_url) as world:
        clinic = a_clinic(sandbox)
        await world.add("org_a", clinic)
        _, outlet, *_ = await world.start()
        assert isinstance(outlet, Outlet)
        outlet.producer._patience = 2.0
        await world.until("org_a", "ok")
        await world.topics.read("org_a")
        cursors = await world.cursors("org_a")
        clinic.update("patients", "101", {"last_name": "Changed"})
        broker.send(signal.SIGSTOP)
        try:
            answer = await world.answered(await world.ask("org_a"))
            assert answer["state"] == "failed"
            assert "Kafka" in answer["error"]
            assert "Kafka" in str(outlet.not_ready())
            assert (await world.status("org_a"))["state"] == "failing"
            assert (await world.cursors("org_a"))["patients"] == cursors["patients"]
        finally:
            broker.send(signal.SIGCONT)
        await world.until("org_a", "ok")
        events = await world.topics.read("org_a")
        assert {event["data"]["name"] for event in events} == {"Zara Changed"}
        assert outlet.not_ready() == []
        assert (await world.cursors("org_a"))["patients"] >= cursors["patients"]


async def test_told_to_stop_it_ends_cleanly_and_the_next_goes_on(world: Harness):
    await world.add("org_a", a_large_clinic(world.sandbox, 3_000), per_minute=600)
    first = await world.spawn("ingestor-1", TEST_LEASE="4")
    request = await world.ask("org_a")
    await wait_for(lambda: len(world.sandbox.log.entries(path="/v1/patients")) > 3)
    first.send(signal.SIGTERM)
    assert await first.ended(within=15) == 0
    assert await world.own["leases"].find_one({}) is None
    waiting = await world.common["sync_requests"].find_one({"_id": request})
    assert waiting is not None
    assert waiting["state"] == "requested"
