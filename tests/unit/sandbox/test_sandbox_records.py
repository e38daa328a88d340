"""Answers that are kept and moved along are those that would be worked out afresh."""

from random import Random
from typing import Any

import pytest

from support.sandbox.catalog import RESOURCES
from support.sandbox.filters import Query, predicates, read_query
from support.sandbox.records import VIEWS_KEPT, Collection

QUESTIONS = (
    (),
    ("archived_at:*",),
    ("archived_at:*", "updated_at:>=2026-01-05T00:00:00Z"),
    ("updated_at:>2026-01-08T00:00:00Z",),
    ("archived_at:?", "first_name:~a"),
    ("id:=3,5,8",),
)


def afresh(collection: Collection, query: Query) -> list[tuple[str, str]]:
    tests = predicates(collection.resource, query)
    return sorted((each["created_at"], each["id"]) for each in collection.values() if all(t(each) for t in tests))


@pytest.mark.parametrize("seed", range(5))
def test_any_changes_leave_every_answer_right(seed: int) -> None:
    rng = Random(seed)
    collection = Collection(RESOURCES["patients"])
    queries = [read_query(collection.resource, each) for each in QUESTIONS]

    def day() -> str:
        return f"2026-01-{rng.randint(1, 9):02}T00:00:00Z"

    def somebody(record_id: int) -> dict[str, Any]:
        fields = {"id": str(record_id), "created_at": day(), "updated_at": day(), "first_name": rng.choice("abc")}
        return fields | ({"archived_at": day()} if rng.random() < 0.3 else {})

    collection.load(somebody(number) for number in range(40))
    for _ in range(300):
        record_id = rng.randint(0, 45)
        if rng.random() < 0.8:
            collection.put(somebody(record_id))
        elif str(record_id) in collection:
            collection.remove(str(record_id))
        query = rng.choice(queries)
        assert list(collection.select(query)) == afresh(collection, query)
    assert list(collection) == [record_id for _, record_id in afresh(collection, Query((), ()))]


def test_only_so_many_answers_are_kept() -> None:
    collection = Collection(RESOURCES["patients"])
    for number in range(VIEWS_KEPT * 2):
        collection.select(read_query(collection.resource, [f"id:={number}"]))
    assert len(collection._views) == VIEWS_KEPT


def test_records_are_looked_up_by_what_they_name() -> None:
    collection = Collection(RESOURCES["attendees"])
    at = {"created_at": "2026-01-01T00:00:00Z"}
    collection.load([{"id": "1", "booking_id": "b", **at}, {"id": "2", "booking_id": "b", **at}])
    collection.put({"id": "1", "booking_id": "c", **at})
    assert (collection.holding("b"), collection.holding("c")) == (["2"], ["1"])
    collection.remove("2")
    assert collection.holding("b") == []
