"""Facts of one patient that come together are one update; what is not newer among them changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError

from risk_engine.changes import Change
from risk_engine.store.timelines import FEW, LANES, MongoTimelineStore
from shared.clock import SystemClock
from shared.mongo import DatabaseClient, open_database_client


@pytest.fixture
async def client(mongodb_uri: str) -> AsyncIterator[DatabaseClient]:
    client = open_database_client(mongodb_uri)
    yield client
    await client.close()


def change(fact: str, version: str, says: str, patient: str = "p") -> Change:
    return Change("org", patient, f"recalls.{fact}", version, {"v": version, "says": says})


async def test_the_newest_version_of_every_fact_stands(client: DatabaseClient, unique_name: str) -> None:
    store = MongoTimelineStore(client[unique_name], SystemClock(), client.with_transaction)
    await store.create_indexes()

    await store.fold([change("1", "b", "first"), change("2", "b", "first"), change("1", "b", "other", "q")])
    await store.fold([change("1", "a", "late"), change("2", "c", "new"), change("3", "a", "new")])
    await store.fold([change("1", "a", "late"), change("2", "c", "again"), change("3", "a", "again")])

    stored = {t["_id"]: t for t in await client[unique_name]["timelines"].find({}).to_list()}
    assert {name: fact["says"] for name, fact in stored["org:p"]["recalls"].items()} == {
        "1": "first",
        "2": "new",
        "3": "new",
    }
    assert stored["org:q"]["recalls"]["1"]["says"] == "other"
    await client.drop_database(unique_name)


async def test_what_changes_nothing_leaves_the_revision(client: DatabaseClient, unique_name: str) -> None:
    store = MongoTimelineStore(client[unique_name], SystemClock(), client.with_transaction)
    changes = [change("1", "b", "x"), change("2", "b", "x")]

    await store.fold(changes)
    before = await client[unique_name]["timelines"].find_one({"_id": "org:p"})
    await store.fold(changes)

    assert await client[unique_name]["timelines"].find_one({"_id": "org:p"}) == before
    await client.drop_database(unique_name)


async def test_of_many_patients_each_fact_stands_by_its_version(client: DatabaseClient, unique_name: str) -> None:
    store = MongoTimelineStore(client[unique_name], SystemClock(), client.with_transaction)
    patients = [f"p{number}" for number in range(3 * FEW)]

    await store.fold([change("1", "bcd"[number % 3], "first", patient) for number, patient in enumerate(patients)])
    await store.fold([change("1", "c", "second", patient) for patient in reversed(patients[LANES:])])

    stored = {t["patient_id"]: t["recalls"]["1"] for t in await client[unique_name]["timelines"].find({}).to_list()}
    assert stored == {
        patient: {"v": "c", "says": "second"}
        if number >= LANES and number % 3 == 0
        else {"v": "bcd"[number % 3], "says": "first"}
        for number, patient in enumerate(patients)
    }
    await client.drop_database(unique_name)


@pytest.mark.parametrize("patient", ["p0", "p1"])
async def test_a_part_that_fails_fails_the_batch_and_the_next_try_stores_all(
    client: DatabaseClient, mongodb_uri: str, unique_name: str, patient: str
) -> None:
    store = MongoTimelineStore(client[unique_name], SystemClock(), client.with_transaction)
    timelines = client[unique_name]["timelines"]
    changes = [change("1", "a", "x", f"p{number}") for number in range(FEW + 1)]

    async def refuse(query: dict[str, Any]) -> None:
        async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as admin:
            await admin[unique_name].command("collMod", "timelines", validator=query)

    await client[unique_name].create("timelines")
    await refuse({"_id": {"$ne": f"org:{patient}"}})
    with pytest.raises(BulkWriteError):
        await store.fold(changes)
    await refuse({})
    await store.fold(changes)

    assert len(await timelines.find({}).to_list()) == len(changes)
    assert {t["revision"] for t in await timelines.find({}).to_list()} == {1}
    await client.drop_database(unique_name)
