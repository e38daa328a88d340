"""What the stores promise, with both drivers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ingestor.decide import Published
from ingestor.records import Attendee, Communication, GroupAppointment, MedicalAlert, Patient, Record
from ingestor.store.documents import Write
from ingestor.store.leases import LeaseStore
from ingestor.store.records import RecordStore
from ingestor.store.state import CursorStore, FullRun, Status, StatusStore
from shared.mongo import Database, open_database_client
from support.eventually import eventually

A, B = "org_a", "org_a.b"


@pytest.fixture(params=["motor", "pymongo"])
async def database(request: pytest.FixtureRequest, mongodb_uri: str, unique_name: str) -> AsyncIterator[Database]:
    client = open_database_client(mongodb_uri, request.param)
    yield client[unique_name]
    await client.drop_database(unique_name)
    await client.close()


@pytest.fixture
async def records(database: Database) -> RecordStore:
    store = RecordStore(database)
    await store.prepare()
    await store.prepare()
    return store


def a_patient(number: str, *, updated_at: int = 5) -> Patient:
    unset: dict[str, Any] = dict.fromkeys(
        [
            "archived_at",
            "merged_at",
            "merged_into",
            "last_name",
            "email",
            "phone",
            "accepts_sms_marketing",
            "accepts_email_marketing",
            "reminder_type",
            "referral_source",
        ]
    )
    return Patient(id=number, updated_at=updated_at, created_at=4, first_name="Zara", **unset)


def an_alert(number: str, patient: str | None) -> MedicalAlert:
    return MedicalAlert(id=number, updated_at=5, patient=patient, created_at=4, gone_at=None, name="Nuts")


def a_reply(number: str, patient: str | None) -> Communication:
    return Communication(number, 5, patient, created_at=4, received=True, channel=None)


def an_attendee(number: str, booking: str) -> Attendee:
    return Attendee(number, 5, "1", booking=booking, created_at=4, gone_at=None, cancelled_at=None, arrived=None)


async def held(records: RecordStore, org: str, record: Record) -> Any:
    return (await records.load(org, record.resource, [record.id])).get(record.id)


async def test_a_record_is_held_with_what_was_told_of_it(records: RecordStore):
    told = Published("1", "1", "abc", 5, 10)
    assert await records.write(A, [Write(a_patient("1"), told, 10)])
    found = await held(records, A, a_patient("1"))
    assert (found.record, found.published) == (a_patient("1"), told)
    assert await held(records, B, a_patient("1")) is None
    assert await records.load(A, "patients", []) == {}


async def test_what_was_read_earlier_never_replaces_what_was_read_later(records: RecordStore):
    await records.write(A, [Write(a_patient("1", updated_at=9), None, 20)])
    assert not await records.write(A, [Write(a_patient("1"), None, 19), Write(a_patient("2"), None, 19)])
    assert (await held(records, A, a_patient("1"))).record.updated_at == 9
    assert await held(records, A, a_patient("2")) is not None, "the others are held all the same"
    assert await records.write(A, [Write(a_patient("1"), None, 20)]), "the same read again is no earlier one"
    assert await records.write(A, [Write(a_patient("1"), None, 3)], guarded=False)


async def test_parts_and_places_are_found_by_whom_they_name(records: RecordStore):
    writes = [
        Write(record, None, 1)
        for record in (an_alert("1", "17"), an_alert("2", "18"), an_alert("3", None), a_reply("1", "17"))
    ]
    await records.write(A, [*writes, Write(an_attendee("41", "31"), None, 1), Write(an_attendee("42", "32"), None, 1)])
    assert await records.parts_of(A, ["17", "19"]) == [an_alert("1", "17")]
    assert await records.parts_of(B, ["17"]) == []
    assert set(await records.of_bookings(A, ["31"])) == {"41"}


async def test_records_are_found_by_a_name_they_use_in_batches(records: RecordStore):
    def a_class(number: int, kind: str) -> GroupAppointment:
        return GroupAppointment(str(number), 5, None, 100, None, type=kind, practitioner="61", business=None)

    await records.write(A, [Write(a_class(number, str(number % 2)), None, 1) for number in range(10)])
    fields = {"type": ["1"], "business": []}
    batches = [batch async for batch in records.naming(A, "group_appointments", fields, batch=2)]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [batch async for batch in records.naming(A, "group_appointments", {"type": []})] == []
    assert [batch async for batch in records.naming(B, "group_appointments", fields)] == []


async def test_an_erased_patient_leaves_a_mark_and_nothing_else(records: RecordStore, database: Database):
    await records.write(
        A,
        [
            Write(record, None, 1)
            for record in (
                a_patient("1"),
                an_alert("1", "1"),
                a_reply("1", "1"),
                an_attendee("41", "31"),
                a_patient("2"),
            )
        ],
    )
    await records.write(B, [Write(a_patient("1"), None, 1)])
    for _ in range(2):
        await records.erase(A, ["1"])
    erased = await records.erased(A)
    assert ["1" in erased, "2" in erased, None in erased] == [True, False, False]
    assert await records.erased_among(A, ["1", "2"]) == {"1"}
    assert await records.erased_among(B, ["1", "2"]) == set()
    assert await records.ids_of(A, "patients") == {"2"}
    assert await records.load(A, "patients", ["1"]) == {}
    assert await database["records"].count_documents({"org": A}) == 2
    assert await records.ids_of(B, "patients") == {"1"}
    assert await records.purge(A) == 2
    assert await records.ids_of(B, "patients") == {"1"}, "an id that begins the same is another's"


async def test_who_was_merged_into_somebody_is_found_through_chains(records: RecordStore):
    chain = {"1": None, "2": "1", "3": "2", "4": "9"}
    people = [replace(a_patient(each), merged_into=into) for each, into in chain.items()]
    await records.write(A, [Write(person, None, 1) for person in people])
    assert set(await records.merged_into(A, ["1"])) == {"2", "3"}
    assert await records.merged_into(B, ["1"]) == {}


async def test_everything_can_be_put_in_doubt(records: RecordStore):
    told = Published("1", "1", "hash", 5, 6)
    await records.write(A, [Write(a_patient("1"), told, 1), Write(a_patient("2"), None, 1)])
    await records.doubt_all(A)
    held = await records.load(A, "patients", ["1", "2"])
    assert held["1"].published == replace(told, hash="")
    assert held["2"].published is None


async def test_a_cursor_never_moves_back(database: Database):
    cursors = CursorStore(database)
    await cursors.move(A, "patients", since=10, full_run=3)
    await cursors.move(A, "patients", since=9, full_run=None)
    assert {name: (each.since, each.full_run) for name, each in (await cursors.all_of(A)).items()} == {
        "patients": (10, 3)
    }
    for run in (FullRun(7, again=True), FullRun(8)):
        await cursors.begin_full_run(A, run)
        assert await cursors.open_full_run(A) == run
    assert set(await cursors.all_of(A)) == {"patients"}
    await cursors.end_full_run(A)
    assert await cursors.open_full_run(A) is None
    assert await cursors.all_of(B) == {}


async def test_a_status_is_read_as_it_was_written(database: Database):
    statuses = StatusStore(database)
    await statuses.write(A, state="ok", last_sync_time=1_800_000_000_000_000, failures=0)
    await statuses.write(A, state="failing", last_error="why", resources={"patients": {"read": 1}})
    (status,) = (await statuses.all()).values()
    assert status == Status("failing", last_sync_time=1_800_000_000_000_000, last_error="why")


async def test_one_of_many_gets_a_lease_and_the_next_when_it_ran_out_or_was_given_back(database: Database):
    leases = LeaseStore(database)
    names = [f"ingestor-{number}" for number in range(8)]
    got = await asyncio.gather(*(leases.take("key", name, 0.5) for name in names))
    assert sum(got) == 1
    first = names[got.index(True)]
    second = names[got.index(False)]
    assert await leases.take("key", first, 0.5), "its own it gets again"
    assert await leases.renew("key", first, 0.5)
    assert not await leases.renew("key", second, 0.5)
    assert await leases.take("other", second, 0.5)
    await leases.give_back("key", second)
    assert not await leases.take("key", second, 0.5)

    async def taken() -> None:
        assert await leases.take("key", second, 60)

    await eventually(taken)
    assert not await leases.renew("key", first, 0.5)
    await leases.give_back("key", second)
    assert await leases.take("key", first, 0.5)
