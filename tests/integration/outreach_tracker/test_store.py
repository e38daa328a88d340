"""One behaviour of the store of histories: in memory, and in MongoDB with both drivers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, get_args

import pytest

from outreach_tracker.lifecycle import fold
from outreach_tracker.store import Change, MongoHistoryStore, PatientHistory
from shared.mongo import open_database_client
from shared.settings import Driver
from unit.outreach_tracker.fakes import MemoryHistoryStore, event, report, treatment

AnyStore = MemoryHistoryStore | MongoHistoryStore


@pytest.fixture(params=["memory", *get_args(Driver)])
async def store(mongodb_uri: str, unique_name: str, request: pytest.FixtureRequest) -> AsyncIterator[AnyStore]:
    if request.param == "memory":
        yield MemoryHistoryStore()
        return
    client = open_database_client(mongodb_uri, request.param)
    yield MongoHistoryStore(client[unique_name])
    await client.drop_database(unique_name)
    await client.close()


def change(known: PatientHistory, *told: dict[str, Any]) -> Change:
    folded = fold(known.history, [report(one) for one in told])
    after = PatientHistory(known.organization_id, known.patient_id, known.revision + 1, 17, folded.history)
    return Change(after, folded.changed)


def new(patient: str, *told: dict[str, Any]) -> Change:
    return change(PatientHistory("org_x", patient), *told)


async def one(store: AnyStore, key: str) -> PatientHistory:
    return (await store.read([key]))[key]


async def save(store: AnyStore, *changes: Change) -> set[str]:
    return await store.save(changes)


TOLD: Sequence[dict[str, Any]] = (
    event("e1", attempt_id="a", campaign="c", reason="r", staff="s"),
    event("$e.2\0", source="/a.b$", message="m.2"),
    treatment("t1"),
)


async def test_a_history_comes_back_as_it_was_saved(store: AnyStore) -> None:
    assert await store.read(["org_x:p1"]) == {}
    first = new("p1", *TOLD)
    assert await save(store, first, new("p2", event("e9", patient="p2"))) == set()
    assert await store.read(["org_x:p1", "org_x:p3"]) == {"org_x:p1": first.after}


async def test_a_change_adds_to_it(store: AnyStore) -> None:
    await save(store, new("p1", *TOLD))
    moved = event("e1", at=-5, message="m9")
    second = change(await one(store, "org_x:p1"), moved, event("e3"))
    assert await save(store, second) == set()
    stored = await one(store, "org_x:p1")
    assert stored == second.after
    assert stored.revision == 2
    assert stored.history["/crm", "e1"].named == {("sms", "m1"), ("sms", "m9")}


async def test_who_read_an_older_state_is_told_and_changes_nothing(store: AnyStore) -> None:
    await save(store, new("p1", *TOLD))
    read = await one(store, "org_x:p1")
    assert await save(store, change(read, event("e3"))) == set()
    late = [change(read, event("e4")), new("p1", event("e5")), new("p2", event("e6", patient="p2"))]
    assert await store.save(late[:1]) == {"org_x:p1"}
    assert await store.save(late[1:]) == {"org_x:p1"}
    assert ("/crm", "e3") in (await one(store, "org_x:p1")).history
    assert ("/crm", "e4") not in (await one(store, "org_x:p1")).history
    assert (await one(store, "org_x:p2")).revision == 1


async def test_nothing_to_save_is_no_error(store: AnyStore) -> None:
    assert await store.save([]) == set()


async def test_what_is_held_of_an_organization_can_be_deleted_up_to_an_instant(store: AnyStore) -> None:
    await save(store, new("p1", event("e1")), new("p2", event("e2", patient="p2")))
    assert await store.purge("org_x", before=17) == 0
    assert await store.purge("org_y", before=18) == 0
    assert await store.purge("org_x", before=18) == 2
    assert await store.read(["org_x:p1", "org_x:p2"]) == {}
