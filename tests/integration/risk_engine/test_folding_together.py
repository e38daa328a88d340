"""Facts of one patient that come together are one update; what is not newer among them changes nothing."""

from collections.abc import AsyncIterator

import pytest

from risk_engine.changes import Change
from risk_engine.store.timelines import MongoTimelineStore
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
