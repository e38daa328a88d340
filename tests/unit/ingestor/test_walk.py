"""Pages ahead of their use, batches of them, and what goes wrong in between."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from ingestor import walk
from ingestor.cliniko import Page
from ingestor.errors import UnavailableError
from ingestor.walk import batch_of, walked

AT = "2026-03-01T01:02:03Z"


def alert(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "name": "Nuts", "created_at": AT, "updated_at": AT, **fields}


def page(*items: Any, read_at: int = 1) -> Page:
    return Page(items, 99, read_at)


def test_a_batch_keeps_the_newest_version_of_a_record_and_of_equals_the_later_read():
    older = alert(1, name="older", updated_at="2026-02-01T00:00:00Z")
    batch = batch_of(
        [page(alert(1, name="a"), read_at=1), page(older, alert(1, name="b"), read_at=2)], "medical_alerts"
    )
    assert batch.reads["1"].read_at == 2
    assert getattr(batch.reads["1"].record, "name", None) == "b"
    assert (batch.count, batch.ids, batch.total) == (3, {"1"}, 99)


def test_a_batch_counts_what_makes_no_sense_and_knows_its_ids():
    batch = batch_of(
        [page(alert(1), alert(2, created_at="x"), None, {"name": "no id", "created_at": AT})], "medical_alerts"
    )
    assert set(batch.reads) == {"1"}
    assert batch.ids == {"1", "2"}
    assert batch.nonsense == {"created_at": 1, "not an object": 1, "id": 1}


async def test_pages_are_fetched_ahead_but_not_without_bound():
    fetched = 0

    async def pages() -> AsyncGenerator[Page, None]:
        nonlocal fetched
        for number in range(100):
            fetched += 1
            yield page(alert(number))

    seen: list[int] = []
    async with walked(pages(), "medical_alerts") as batches:
        async for batch in batches:
            await asyncio.sleep(0)
            seen.append(batch.count)
            assert fetched - sum(seen) <= walk.PAGES_AHEAD + 1
    assert sum(seen) == 100
    assert max(seen) <= walk.PAGES_AT_ONCE
    assert len(seen) < 100, "what piled up is worked on together"


async def test_what_was_read_before_an_error_is_handed_over_first():
    async def pages() -> AsyncGenerator[Page, None]:
        yield page(alert(1))
        yield page(alert(2))
        raise UnavailableError("away")

    seen: set[str] = set()

    async def work() -> None:
        async with walked(pages(), "medical_alerts") as batches:
            async for batch in batches:
                seen.update(batch.ids)

    with pytest.raises(UnavailableError):
        await work()
    assert seen == {"1", "2"}


async def test_who_stops_working_stops_the_fetching():
    ended = False

    async def pages() -> AsyncGenerator[Page, None]:
        nonlocal ended
        try:
            while True:
                yield page(alert(1))
                await asyncio.sleep(0)
        finally:
            ended = True

    async with walked(pages(), "medical_alerts") as batches:
        await anext(batches)
    assert ended
