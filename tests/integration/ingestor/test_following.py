"""A full load, then every kind of change, each published exactly once."""

from integration.ingestor.harness import Harness, a_clinic, of_type


async def test_a_full_load_tells_every_fact_once_and_again_nothing(world: Harness):
    await world.add("org_a", a_clinic(world.sandbox))
    await world.start()
    await world.until("org_a", "ok")
    events = await world.topics.read("org_a")
    assert sorted((event["type"], event["subject"]) for event in events) == [
        ("appointment.changed.v1", "101"),
        ("appointment.changed.v1", "102"),
        ("communication.received.v1", "101"),
        ("contact.changed.v1", "101"),
        ("contact.changed.v1", "102"),
        ("recall.changed.v1", "102"),
    ]
    assert await world.sync("org_a") == []
    assert await world.sync("org_a", full=True) == []
    (zara,) = [each for each in of_type(events, "contact.changed.v1") if each["patient_id"] == "101"]
    assert zara["health_conditions"] == ["Latex allergy", "Knee"]
