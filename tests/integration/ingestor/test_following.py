"""A full load, then every kind of change: each is published exactly once, and nothing else is."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from integration.ingestor.harness import Harness, Json, a_clinic, of_type
from support.sandbox.clinic import Clinic

Change = Callable[[Clinic], object]

CONTACT, ERASED = "contact.changed.v1", "contact.erased.v1"
APPOINTMENT, APPOINTMENT_LEFT = "appointment.changed.v1", "appointment.left.v1"
RECEIVED, RECEIVED_LEFT = "communication.received.v1", "communication.left.v1"
NOW = mock.ANY
RECALL, RECALL_LEFT = "recall.changed.v1", "recall.left.v1"


@dataclass
class Followed:
    """A small clinic that was loaded once."""

    world: Harness
    clinic: Clinic
    loaded: list[Json]

    async def after(self, change: Change) -> list[tuple[str, Json]]:
        """What is published for a change; a second look finds nothing more."""
        change(self.clinic)
        events = await self.world.sync("org_a")
        assert await self.world.sync("org_a") == []
        return sorted(((event["type"], event["data"]) for event in events), key=lambda each: each[0])


@pytest.fixture
async def followed(world: Harness) -> AsyncIterator[Followed]:
    clinic = a_clinic(world.sandbox)
    await world.add("org_a", clinic)
    await world.start()
    await world.until("org_a", "ok")
    return Followed(world, clinic, await world.topics.read("org_a"))


async def test_a_full_load_tells_every_fact_once_and_again_nothing(followed: Followed):
    told = followed.loaded
    assert sorted((event["type"], event["subject"]) for event in told) == [
        (APPOINTMENT, "101"),
        (APPOINTMENT, "102"),
        (RECEIVED, "101"),
        (CONTACT, "101"),
        (CONTACT, "102"),
        (RECALL, "102"),
    ]
    assert await followed.world.sync("org_a") == []
    assert await followed.world.sync("org_a", full=True) == []
    (zara,) = [each for each in of_type(told, CONTACT) if each["patient_id"] == "101"]
    assert zara["name"] == "Zara Testerton"
    assert zara["health_conditions"] == ["Latex allergy", "Knee"]
    (place,) = [each for each in of_type(told, APPOINTMENT) if each["kind"] == "group"]
    assert (place["appointment_id"], place["booking_id"]) == ("301/401", "301")
    assert place["appointment_type"] == "Pilates class"


async def test_a_renamed_patient(followed: Followed):
    ((kind, data),) = await followed.after(lambda clinic: clinic.update("patients", "101", {"last_name": "Other"}))
    assert (kind, data["name"]) == (CONTACT, "Zara Other")


async def test_a_change_of_what_no_fact_shows_is_not_told(followed: Followed):
    assert await followed.after(lambda clinic: clinic.update("individual_appointments", "201", {"notes": "x"})) == []


async def test_a_new_patient_with_everything(followed: Followed):
    def change(clinic: Clinic) -> None:
        who = clinic.create("patients", {"first_name": "New"})
        clinic.create("medical_alerts", {"patient_id": who, "name": "Asthma"})
        clinic.create(
            "individual_appointments",
            {"patient_id": who, "appointment_type_id": "501", "starts_at": "2026-05-01T00:00:00Z"},
        )

    told = await followed.after(change)
    assert [kind for kind, _ in told] == [APPOINTMENT, CONTACT]
    assert told[1][1]["health_conditions"] == ["Asthma"]


PARTS: list[tuple[str, Change, list[str]]] = [
    (
        "a new alert",
        lambda clinic: clinic.create("medical_alerts", {"patient_id": "101", "name": "Asthma"}),
        ["Latex allergy", "Asthma", "Knee"],
    ),
    ("an archived alert", lambda clinic: clinic.archive("medical_alerts", "801"), ["Knee"]),
    (
        "a new case",
        lambda clinic: clinic.create("patient_cases", {"patient_id": "101", "name": "Hip"}),
        ["Latex allergy", "Knee", "Hip"],
    ),
    ("an archived case", lambda clinic: clinic.archive("patient_cases", "851"), ["Latex allergy"]),
    (
        "a renamed alert",
        lambda clinic: clinic.update("medical_alerts", "801", {"name": "Nuts"}),
        ["Nuts", "Knee"],
    ),
]


@pytest.mark.parametrize(("change", "conditions"), [each[1:] for each in PARTS], ids=[each[0] for each in PARTS])
async def test_a_part_tells_the_contact_though_its_own_version_stands_still(
    followed: Followed, change: Change, conditions: list[str]
):
    before = next(each for each in of_type(followed.loaded, CONTACT) if each["patient_id"] == "101")
    ((kind, data),) = await followed.after(change)
    assert kind == CONTACT
    assert data["health_conditions"] == conditions
    assert data["version"]["updated_at"] == before["version"]["updated_at"]
    assert data["version"]["read_at"] > before["version"]["read_at"]


async def test_an_alert_that_moves_to_another_patient_tells_both(followed: Followed):
    told = await followed.after(lambda clinic: clinic.update("medical_alerts", "801", {"patient_id": "102"}))
    assert {data["patient_id"]: data["health_conditions"] for _, data in told} == {
        "101": ["Knee"],
        "102": ["Latex allergy"],
    }
    assert len(told) == 2


async def test_the_type_of_a_referral_source_is_told_where_the_patient_says_nothing(followed: Followed):
    def change(clinic: Clinic) -> None:
        clinic.create("referral_source_types", {"id": "51", "name": "Web"})
        clinic.create("referral_sources", {"id": "52", "patient_id": "101", "referral_source_type_id": "51"})

    ((_, data),) = await followed.after(change)
    assert data["referral_source"] == "Web"
    ((_, data),) = await followed.after(lambda clinic: clinic.update("referral_source_types", "51", {"name": "Net"}))
    assert data["referral_source"] == "Net"
    ((_, data),) = await followed.after(
        lambda clinic: clinic.update("patients", "101", {"referral_source": "A friend"})
    )
    assert data["referral_source"] == "A friend"


APPOINTMENTS: list[tuple[str, Change, Json]] = [
    (
        "moved in time",
        lambda clinic: clinic.update("individual_appointments", "201", {"starts_at": "2026-02-09T00:00:00Z"}),
        {"starts_at": "2026-02-09T00:00:00Z"},
    ),
    (
        "cancelled",
        lambda clinic: clinic.cancel("individual_appointments", "201", reason=30, note=None),
        {"cancelled_at": NOW, "gone_at": None},
    ),
    (
        "archived",
        lambda clinic: clinic.update("individual_appointments", "201", {"archived_at": "2026-02-01T00:00:00Z"}),
        {"gone_at": "2026-02-01T00:00:00Z"},
    ),
    (
        "deleted",
        lambda clinic: clinic.update("individual_appointments", "201", {"deleted_at": "2026-02-01T00:00:00Z"}),
        {"gone_at": "2026-02-01T00:00:00Z"},
    ),
    (
        "missed, by its attendee",
        lambda clinic: clinic.mark("individual_appointments", "201", False),
        {"did_not_arrive": True, "arrived": False},
    ),
    (
        "arrived, by its attendee",
        lambda clinic: clinic.mark("individual_appointments", "201", True),
        {"did_not_arrive": False, "arrived": True},
    ),
]


@pytest.mark.parametrize(
    ("change", "shown"), [each[1:] for each in APPOINTMENTS], ids=[each[0] for each in APPOINTMENTS]
)
async def test_an_appointment(followed: Followed, change: Change, shown: Json):
    ((kind, data),) = await followed.after(change)
    assert (kind, data["appointment_id"]) == (APPOINTMENT, "201")
    assert {name: data[name] for name in shown} == shown
    assert all(data[name] is not None for name, value in shown.items() if value is NOW)


async def test_a_mark_is_told_though_the_appointment_stands_still_and_undone_again(followed: Followed):
    standing = followed.clinic.body("individual_appointments", "201")["updated_at"]
    ((_, missed),) = await followed.after(lambda clinic: clinic.mark("individual_appointments", "201", False))
    ((_, undone),) = await followed.after(lambda clinic: clinic.mark("individual_appointments", "201", None))
    assert [missed["did_not_arrive"], undone["did_not_arrive"]] == [True, False]
    assert missed["version"]["updated_at"] == undone["version"]["updated_at"] == standing
    assert missed["version"]["read_at"] < undone["version"]["read_at"]


async def test_an_appointment_that_moves_to_another_patient_leaves_the_first_and_comes_back(followed: Followed):
    told = await followed.after(lambda clinic: clinic.update("individual_appointments", "201", {"patient_id": "102"}))
    assert [(kind, data["patient_id"]) for kind, data in told] == [(APPOINTMENT, "102"), (APPOINTMENT_LEFT, "101")]
    assert told[0][1]["version"] == told[1][1]["version"]
    back = await followed.after(lambda clinic: clinic.update("individual_appointments", "201", {"patient_id": "101"}))
    assert [(kind, data["patient_id"]) for kind, data in back] == [(APPOINTMENT, "101"), (APPOINTMENT_LEFT, "102")]


CLASSES: list[tuple[str, Change, Json]] = [
    (
        "the class moves in time",
        lambda clinic: clinic.update("group_appointments", "301", {"starts_at": "2026-02-10T00:00:00Z"}),
        {"starts_at": "2026-02-10T00:00:00Z"},
    ),
    (
        "the class is archived",
        lambda clinic: clinic.update("group_appointments", "301", {"archived_at": "2026-02-01T00:00:00Z"}),
        {"gone_at": "2026-02-01T00:00:00Z"},
    ),
    (
        "the place is archived",
        lambda clinic: clinic.update("attendees", "401", {"archived_at": "2026-02-01T00:00:00Z"}),
        {"gone_at": "2026-02-01T00:00:00Z"},
    ),
    (
        "the place is cancelled",
        lambda clinic: clinic.cancel("attendees", "401", reason=30, note=None),
        {"cancelled_at": NOW},
    ),
    ("missed", lambda clinic: clinic.mark("attendees", "401", False), {"did_not_arrive": True}),
    ("arrived", lambda clinic: clinic.mark("attendees", "401", True), {"arrived": True}),
]


@pytest.mark.parametrize(("change", "shown"), [each[1:] for each in CLASSES], ids=[each[0] for each in CLASSES])
async def test_a_place_in_a_class(followed: Followed, change: Change, shown: Json):
    ((kind, data),) = await followed.after(change)
    assert (kind, data["appointment_id"], data["patient_id"]) == (APPOINTMENT, "301/401", "102")
    assert {name: data[name] for name in shown} == shown
    assert all(data[name] is not None for name, value in shown.items() if value is NOW)


async def test_a_class_that_is_made_with_its_places_at_once(followed: Followed):
    def change(clinic: Clinic) -> None:
        group = clinic.create("group_appointments", {"id": "302", "starts_at": "2026-03-02T00:00:00Z"})
        for who in ("101", "102"):
            clinic.create("attendees", {"booking_id": group, "patient_id": who})

    told = await followed.after(change)
    assert [(kind, data["booking_id"]) for kind, data in told] == [(APPOINTMENT, "302"), (APPOINTMENT, "302")]


async def test_a_place_that_moves_to_another_class_leaves_the_first(followed: Followed):
    followed.clinic.create("group_appointments", {"id": "302", "starts_at": "2026-03-02T00:00:00Z"})
    assert await followed.world.sync("org_a") == []
    told = await followed.after(lambda clinic: clinic.update("attendees", "401", {"booking_id": "302"}))
    assert [(kind, data["appointment_id"]) for kind, data in told] == [
        (APPOINTMENT, "302/401"),
        (APPOINTMENT_LEFT, "301/401"),
    ]


async def test_a_place_that_another_patient_takes_leaves_the_first(followed: Followed):
    told = await followed.after(lambda clinic: clinic.update("attendees", "401", {"patient_id": "101"}))
    assert [(kind, data["patient_id"]) for kind, data in told] == [(APPOINTMENT, "101"), (APPOINTMENT_LEFT, "102")]


async def test_a_renamed_type_is_told_with_all_its_appointments(followed: Followed):
    ((_, data),) = await followed.after(lambda clinic: clinic.update("appointment_types", "502", {"name": "Yoga"}))
    assert (data["appointment_id"], data["appointment_type"]) == ("301/401", "Yoga")


async def test_a_renamed_practitioner_is_told_with_all_appointments(followed: Followed):
    told = await followed.after(lambda clinic: clinic.update("practitioners", "601", {"display_name": "Q. Other"}))
    assert {data["appointment_id"]: data["practitioner"] for _, data in told} == {
        "201": "Q. Other",
        "301/401": "Q. Other",
    }


async def test_a_practitioner_who_leaves_keeps_the_name(followed: Followed):
    assert await followed.after(lambda clinic: clinic.update("practitioners", "601", {"active": False})) == []


async def test_communications(followed: Followed):
    def reply(clinic: Clinic, **fields: Any) -> str:
        usual = {"patient_id": "102", "type_code": 2, "direction_code": 2, "direction_description": "Received"}
        return clinic.create("communications", {"id": "902", **usual, **fields})

    ((kind, data),) = await followed.after(reply)
    assert (kind, data["communication_id"], data["channel"]) == (RECEIVED, "902", "email")
    assert await followed.after(lambda clinic: clinic.archive("communications", "902")) == []
    assert await followed.after(lambda clinic: reply(clinic, id="903", direction_code=1)) == []
    told = await followed.after(lambda clinic: clinic.update("communications", "902", {"patient_id": "101"}))
    assert [(kind, data["patient_id"]) for kind, data in told] == [(RECEIVED_LEFT, "102"), (RECEIVED, "101")]


async def test_recalls(followed: Followed):
    ((kind, data),) = await followed.after(lambda clinic: clinic.update("recalls", "951", {"recall_at": "2026-04-01"}))
    assert (kind, data["due_on"]) == (RECALL, "2026-04-01")
    told = await followed.after(lambda clinic: clinic.update("recalls", "951", {"patient_id": "101"}))
    assert [(kind, data["patient_id"]) for kind, data in told] == [(RECALL, "101"), (RECALL_LEFT, "102")]
    ((_, data),) = await followed.after(
        lambda clinic: clinic.update("recalls", "951", {"archived_at": "2026-02-01T00:00:00Z"})
    )
    assert data["gone_at"] == "2026-02-01T00:00:00Z"


async def test_a_merge_points_to_the_survivor_and_takes_the_records_along(followed: Followed):
    told = await followed.after(lambda clinic: clinic.merge("101", "102", move_records=True))
    *_, loser = [data for kind, data in told if kind == CONTACT and data["patient_id"] == "101"]
    assert loser["merged_into"] == "102"
    assert loser["merged_at"] == loser["archived_at"] == loser["updated_at"]
    assert loser["health_conditions"] == []
    kinds = {kind for kind, data in told if data["patient_id"] == "101"}
    assert kinds == {APPOINTMENT_LEFT, RECEIVED_LEFT, CONTACT}
    *_, survivor = [data for kind, data in told if kind == CONTACT and data["patient_id"] == "102"]
    assert survivor["health_conditions"] == ["Latex allergy", "Knee"]


async def test_an_erased_patient_is_told_once_and_nothing_is_kept(followed: Followed):
    ((kind, data),) = await followed.after(lambda clinic: clinic.delete("patients", "101"))
    erased_at = followed.clinic.tombstones["101"]["deleted_at"]
    assert (kind, data["patient_id"], data["erased_at"]) == (ERASED, "101", erased_at)
    assert await followed.world.sync("org_a", full=True) == []
    kept = await followed.world.own["records"].find({}).to_list()
    assert [each for each in kept if "101" in {each["id"], each.get("patient"), *each.get("p", ())}] == []
    assert [set(each) for each in kept if each["resource"] == "erased"] == [{"_id", "org", "resource", "id"}]


async def test_a_patient_missed_by_a_full_load_is_erased_once_a_read_by_id_says_404(followed: Followed):
    def change(clinic: Clinic) -> None:
        clinic.delete("patients", "101")
        clinic.tombstones.remove("101")

    assert await followed.after(change) == []
    ((event),) = await followed.world.sync("org_a", full=True)
    assert (event["type"], event["subject"]) == (ERASED, "101")
    assert await followed.world.sync("org_a", full=True) == []


async def test_a_patient_missed_by_a_full_load_who_can_be_read_is_not_touched(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
):
    patients = followed.clinic.records["patients"]
    whole = type(patients).select
    monkeypatch.setattr(
        type(patients),
        "select",
        lambda self, query: [each for each in whole(self, query) if self is not patients or each[1] != "101"],
    )
    assert await followed.world.sync("org_a", full=True) == []
    asked = followed.world.sandbox.log.entries(path="/v1/patients/101")
    assert [(each.status, each.query) for each in asked] == [(200, "q%5B%5D=archived_at%3A%2A")]


async def test_a_hidden_record_that_is_only_absent_changes_nothing(followed: Followed):
    def change(clinic: Clinic) -> None:
        clinic.delete("individual_appointments", "201")
        clinic.delete("communications", "901")

    assert await followed.after(change) == []
    assert await followed.world.sync("org_a", full=True) == []
