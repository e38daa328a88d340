"""The database client: the same answers whichever driver speaks."""

from collections.abc import AsyncIterator
from typing import get_args

import pytest
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import ConfigurationError, DuplicateKeyError

from shared.clock import SystemClock
from shared.faults import is_transient
from shared.health import Health, Heartbeat
from shared.mongo import Database, DatabaseClient, Session, open_database_client
from shared.settings import Driver
from support.eventually import eventually


@pytest.fixture(params=get_args(Driver))
async def client(mongodb_uri: str, request: pytest.FixtureRequest) -> AsyncIterator[DatabaseClient]:
    client = open_database_client(mongodb_uri, request.param)
    yield client
    await client.close()


@pytest.fixture
async def database(client: DatabaseClient, unique_name: str) -> AsyncIterator[Database]:
    yield client[unique_name]
    await client.drop_database(unique_name)


async def test_it_answers(client: DatabaseClient) -> None:
    await client.ping()


async def test_a_connection_without_sessions_is_replaced(client: DatabaseClient, database: Database) -> None:
    """Made while the server was between primary and secondary, it would refuse transactions for good."""

    async def write(session: Session) -> None:
        await database["things"].update_one({"_id": 1}, {"$inc": {"x": 1}}, upsert=True, session=session)

    await client.with_transaction(write)
    driver = client._client if client.driver == "pymongo" else client._client.delegate
    for server in driver._topology._servers.values():
        for connection in server.pool.conns:
            connection.supports_sessions = False
    with pytest.raises(ConfigurationError) as refused:
        await client.with_transaction(write)
    assert is_transient(refused.value)
    await client.with_transaction(write)
    async with client.snapshot() as session:
        assert await database["things"].find_one({"_id": 1}, session=session) == {"_id": 1, "x": 2}


async def test_it_writes_and_reads(database: Database) -> None:
    things = database["things"]
    await things.bulk_write([InsertOne({"_id": n, "even": n % 2 == 0}) for n in range(10)])
    await things.bulk_write([ReplaceOne({"_id": 3}, {"odd": True}), UpdateOne({"_id": 99}, {"$set": {"x": 1}})])
    assert (await things.update_one({"_id": 1}, {"$set": {"x": 1}})).matched_count == 1
    assert (await things.update_many({"even": True}, {"$set": {"x": 2}})).modified_count == 5
    assert (await things.replace_one({"_id": 11}, {"x": 3}, upsert=True)).upserted_id == 11
    assert await things.find_one({"_id": 3}) == {"_id": 3, "odd": True}
    assert await things.find_one({"_id": 50}) is None
    assert await things.find({"even": True}, {"_id": 1}, sort=[("_id", -1)], limit=2).to_list() == [
        {"_id": 8},
        {"_id": 6},
    ]
    assert [one["_id"] async for one in things.find({"even": True}, sort=[("_id", 1)])] == [0, 2, 4, 6, 8]
    assert await things.count_documents({}) == 11
    assert await things.count_documents({}, limit=4) == 4
    assert await things.find_one_and_update({"_id": 1}, {"$inc": {"x": 1}}) == {"_id": 1, "even": False, "x": 2}
    assert (await things.delete_many({"even": True})).deleted_count == 5
    assert (await things.delete_one({"_id": 1})).deleted_count == 1


async def test_what_comes_out_of_a_pipeline_is_read_one_by_one(database: Database) -> None:
    await database["things"].bulk_write([InsertOne({"_id": n}) for n in range(5)])
    pipeline = [{"$match": {"_id": {"$gte": 3}}}, {"$sort": {"_id": 1}}]
    assert [one async for one in await database["things"].stream(pipeline)] == [{"_id": 3}, {"_id": 4}]


async def test_an_index_can_be_unique(database: Database) -> None:
    assert await database["things"].create_index([("x", 1)], unique=True, name="by_x") == "by_x"
    await database["things"].insert_one({"x": 1})
    with pytest.raises(DuplicateKeyError):
        await database["things"].insert_one({"x": 1})


async def test_a_transaction_writes_all_or_nothing(client: DatabaseClient, database: Database) -> None:
    things = database["things"]
    await things.insert_one({"_id": 1, "x": 0})

    async def add(session: Session) -> int:
        await things.update_one({"_id": 1}, {"$inc": {"x": 1}}, session=session)
        await things.insert_one({"_id": 2}, session=session)
        return 7

    assert await client.with_transaction(add) == 7
    with pytest.raises(DuplicateKeyError):
        await client.with_transaction(add)
    assert await things.find_one({"_id": 1}) == {"_id": 1, "x": 1}


async def test_writes_are_acknowledged_by_a_majority(client: DatabaseClient, database: Database) -> None:
    plain = client._client
    assert plain.write_concern.document == {"w": "majority"}
    assert plain.read_concern.level == "majority"


async def test_the_heartbeat_is_there_while_the_service_runs(database: Database) -> None:
    health = Health(not_ready=list)
    heartbeat = Heartbeat(database, health, service="s", instance="i", clock=SystemClock())

    async def state() -> str | None:
        found = await database["instances"].find_one({"service": "s", "instance": "i"})
        assert found is not None
        return str(found["state"])

    await heartbeat.start()
    assert await eventually(state) == "starting"
    health.started = True

    async def ready() -> None:
        assert await state() == "ready"

    await eventually(ready)
    await heartbeat.stop()
    assert await database["instances"].find().to_list() == []


async def test_two_processes_of_one_name_have_a_heartbeat_each(database: Database) -> None:
    instances = database["instances"]
    one, other = (
        Heartbeat(database, Health(not_ready=list), service="s", instance="s-1", clock=SystemClock()) for _ in range(2)
    )
    await one.start()
    await other.start()

    async def both() -> None:
        assert [each["instance"] async for each in instances.find()] == ["s-1", "s-1"]

    await eventually(both)
    await one.stop()
    assert await instances.count_documents({}) == 1
    await other.stop()
    assert await instances.count_documents({}) == 0


async def test_the_heartbeat_of_a_killed_process_is_forgotten_after_a_while(database: Database) -> None:
    heartbeat = Heartbeat(database, Health(not_ready=list), service="s", instance="i", clock=SystemClock())
    await heartbeat.write()
    indexes = (await database.command({"listIndexes": "instances"}))["cursor"]["firstBatch"]
    assert [(dict(each["key"]), each["expireAfterSeconds"]) for each in indexes if "expireAfterSeconds" in each] == [
        ({"at": 1}, 600)
    ]
