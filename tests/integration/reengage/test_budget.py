"""The request budget on a real MongoDB: exact, whoever asks at the same time."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared import budget as module
from shared.budget import WINDOW_MS, RequestBudget
from shared.mongo import Collection, DatabaseClient, open_database_client


@pytest.fixture(params=["motor", "pymongo"])
async def client(request: pytest.FixtureRequest, mongodb_uri: str, unique_name: str) -> AsyncIterator[DatabaseClient]:
    """A client of each driver; the test's database goes with it."""
    client = open_database_client(mongodb_uri, request.param)
    yield client
    await client.drop_database(unique_name)
    await client.close()


@pytest.fixture
def budgets(client: DatabaseClient, unique_name: str) -> Collection:
    """The collection of budgets."""
    return client[unique_name]["request_budgets"]


class Recording:
    """Hands through, and keeps the instants at which the database admitted requests."""

    def __init__(self, budgets: Collection) -> None:
        self._budgets = budgets
        self.admitted: list[tuple[datetime, int]] = []

    async def find_one_and_update(
        self, query: Mapping[str, Any], update: Sequence[Mapping[str, Any]], *, projection: Any, upsert: bool
    ) -> Mapping[str, Any] | None:
        found = await self._budgets.find_one_and_update(query, update, upsert=upsert)
        assert found is not None
        if found["wait_ms"] == 0:
            self.admitted.append((found["spent"][-1]["at"], found["spent"][-1]["count"]))
        return found


def most_in_any(window: timedelta, admitted: Sequence[tuple[datetime, int]]) -> int:
    """The most requests that were admitted within a window, wherever it begins."""
    return max(sum(count for at, count in admitted if begin <= at < begin + window) for begin, _ in admitted)


async def test_of_many_at_once_exactly_the_limit_is_admitted(budgets: Collection) -> None:
    processes = [RequestBudget(budgets, "k", per_minute=50) for _ in range(20)]
    waits = await asyncio.gather(*(process.try_taking() for process in processes for _ in range(5)))
    assert sum(wait == 0 for wait in waits) == 50
    assert all(50 < wait <= 61 for wait in waits if wait)


async def test_keys_have_budgets_of_their_own(budgets: Collection) -> None:
    waits = [await RequestBudget(budgets, key, per_minute=1).try_taking() for key in ("k", "l", "k")]
    assert [wait == 0 for wait in waits] == [True, True, False]


@pytest.mark.parametrize("per_minute", [1, 7, 3_000])
async def test_no_window_ever_holds_more_than_the_limit(
    budgets: Collection, per_minute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW_MS", 300)
    recording = Recording(budgets)
    processes = [RequestBudget(recording, "k", per_minute=per_minute) for _ in range(4)]
    each = per_minute * 2 // len(processes) + 1
    await asyncio.gather(*(process.take() for process in processes for _ in range(each)))
    assert sum(count for _, count in recording.admitted) >= per_minute * 2
    assert most_in_any(timedelta(milliseconds=300), recording.admitted) <= per_minute


async def test_a_request_counts_for_a_minute_and_a_second(budgets: Collection) -> None:
    budget = RequestBudget(budgets, "k", per_minute=1)
    assert await budget.try_taking() == 0
    await _age(budgets, WINDOW_MS - 1_000)
    assert 0 < await budget.try_taking() <= 1
    await _age(budgets, 1_001)
    assert await budget.try_taking() == 0


async def test_a_limit_that_was_lowered_counts_what_was_spent_before(budgets: Collection) -> None:
    for _ in range(5):
        await RequestBudget(budgets, "k", per_minute=5).take()
    assert await RequestBudget(budgets, "k", per_minute=3).try_taking() > 0
    assert await RequestBudget(budgets, "k", per_minute=6).try_taking() == 0


async def test_a_refused_request_is_not_counted(budgets: Collection) -> None:
    budget = RequestBudget(budgets, "k", per_minute=1)
    for _ in range(3):
        await budget.try_taking()
    document = await budgets.find_one({"_id": "k"})
    assert document is not None
    assert len(document["spent"]) == 1


async def test_a_hold_is_for_all_processes_and_never_shortened(budgets: Collection) -> None:
    await RequestBudget(budgets, "k", per_minute=100).hold(30)
    await RequestBudget(budgets, "k", per_minute=100).hold(1)
    assert 25 < await RequestBudget(budgets, "k", per_minute=100).try_taking() <= 30
    await budgets.update_one({"_id": "k"}, [{"$set": {"held_until": "$$NOW"}}])
    assert await RequestBudget(budgets, "k", per_minute=100).try_taking() == 0


async def test_a_high_limit_keeps_its_document_small(budgets: Collection) -> None:
    budget = RequestBudget(budgets, "k", per_minute=60_000)
    for _ in range(180):
        await budget.take()
    document = await budgets.find_one({"_id": "k"})
    assert document is not None
    assert len(document["spent"]) <= 4


async def _age(budgets: Collection, ms: int) -> None:
    """Lets the requests have been made so much earlier."""
    earlier = {"$map": {"input": "$spent", "in": {"at": {"$subtract": ["$$this.at", ms]}, "count": "$$this.count"}}}
    await budgets.update_one({"_id": "k"}, [{"$set": {"spent": earlier}}])
