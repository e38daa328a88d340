"""Whole readings: once for each instant, few at once, and nobody waits for another's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from api_gateway.readings import rankings as module
from api_gateway.readings.rankings import READINGS_AT_ONCE, Rankings
from api_gateway.standing import Standing
from rules.facts import Contact, Facts
from rules.settings import rule_settings
from unit.api_gateway.gateway import NOW

DAY = 86_400_000_000
PATIENTS = 3
TURNS = 20
"""So often a task gets its turn: enough for all that need not wait."""


class FakePublished:
    """Tells an organization's patients once it is let; counts the readings."""

    def __init__(self, *held: str) -> None:
        self.begun: list[str] = []
        self.running = self.most = 0
        self.gates = {organization: asyncio.Event() for organization in held}
        self.fault: Exception | None = None

    async def all_facts(self, organization_id: str) -> AsyncIterator[Facts]:
        self.begun.append(organization_id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if organization_id in self.gates:
                await self.gates[organization_id].wait()
            if self.fault:
                raise self.fault
            for number in range(PATIENTS):
                yield Facts(f"p-{number}", Contact(created_at=NOW - 1000 * DAY))
        finally:
            self.running -= 1


def standing(organization_id: str = "a", applied_at: int = 1) -> Standing:
    return Standing(organization_id, 1, rule_settings({"time_zone": "UTC"}), "-", applied_at)


def asking(rankings: Rankings, of: Standing, as_of: int = NOW, *, fresh: bool = True) -> asyncio.Task[module.Ranking]:
    return asyncio.create_task(rankings.ranking(of, as_of, fresh=fresh))


async def others_take_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def cancel(task: asyncio.Task[module.Ranking]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_one_organizations_long_reading_keeps_no_other_waiting() -> None:
    published = FakePublished("slow")
    rankings = Rankings(published)  # type: ignore[arg-type]
    slow = asking(rankings, standing("slow"))
    await others_take_turns()

    async with asyncio.timeout(1):
        await rankings.ranking(standing("a"), NOW, fresh=True)

    assert not slow.done()
    published.gates["slow"].set()
    await slow


async def test_a_remembered_ranking_waits_for_no_reading() -> None:
    published = FakePublished("slow")
    rankings = Rankings(published)  # type: ignore[arg-type]
    known = await rankings.ranking(standing("a"), NOW, fresh=True)
    slow = [asking(rankings, standing("slow"), NOW - number) for number in range(READINGS_AT_ONCE + 1)]
    await others_take_turns()

    async with asyncio.timeout(1):
        assert await rankings.ranking(standing("a"), NOW, fresh=True) is known
        assert await rankings.ranking(standing("a", applied_at=2), NOW, fresh=False) is known

    published.gates["slow"].set()
    await asyncio.gather(*slow)


async def test_requests_for_one_instant_share_a_reading() -> None:
    published = FakePublished("a")
    rankings = Rankings(published)  # type: ignore[arg-type]
    tasks = [asking(rankings, standing()) for _ in range(5)]
    await others_take_turns()
    published.gates["a"].set()

    first, *others = await asyncio.gather(*tasks)

    assert published.begun == ["a"]
    assert all(other is first for other in others)
    assert len(first.ranked) == PATIENTS


async def test_newer_facts_are_read_anew_for_a_first_page() -> None:
    published = FakePublished()
    rankings = Rankings(published)  # type: ignore[arg-type]
    older = await rankings.ranking(standing(applied_at=1), NOW, fresh=True)

    newer = await rankings.ranking(standing(applied_at=2), NOW, fresh=True)

    assert (older.applied_at, newer.applied_at) == (1, 2)
    assert published.begun == ["a", "a"]


async def test_only_so_many_are_read_at_once() -> None:
    published = FakePublished("a")
    rankings = Rankings(published)  # type: ignore[arg-type]
    tasks = [asking(rankings, standing(), NOW - number) for number in range(READINGS_AT_ONCE + 3)]
    await others_take_turns()
    assert len(published.begun) == READINGS_AT_ONCE

    published.gates["a"].set()
    await asyncio.gather(*tasks)

    assert published.most == READINGS_AT_ONCE
    assert len(published.begun) == len(tasks)


async def test_a_reading_outlives_its_request_for_those_who_wait_and_those_who_come() -> None:
    published = FakePublished("a")
    rankings = Rankings(published)  # type: ignore[arg-type]
    first, waiting = asking(rankings, standing()), asking(rankings, standing())
    await others_take_turns()
    await cancel(first)
    coming = asking(rankings, standing())
    await others_take_turns()
    published.gates["a"].set()

    assert await waiting is await coming
    assert published.begun == ["a"]


async def test_a_reading_that_nobody_waits_for_is_remembered() -> None:
    published = FakePublished("a")
    rankings = Rankings(published)  # type: ignore[arg-type]
    only = asking(rankings, standing())
    await others_take_turns()
    await cancel(only)
    published.gates["a"].set()
    await others_take_turns()

    await rankings.ranking(standing(), NOW, fresh=True)

    assert published.begun == ["a"]


async def test_a_request_that_is_cancelled_before_its_turn_reads_nothing() -> None:
    published = FakePublished("slow")
    rankings = Rankings(published)  # type: ignore[arg-type]
    slow = [asking(rankings, standing("slow"), NOW - number) for number in range(READINGS_AT_ONCE)]
    await others_take_turns()
    late = asking(rankings, standing("a"))
    await others_take_turns()
    await cancel(late)
    published.gates["slow"].set()
    await asyncio.gather(*slow)
    await others_take_turns()

    assert "a" not in published.begun


async def test_a_reading_that_fails_gives_its_turn_back_and_is_not_remembered() -> None:
    published = FakePublished()
    rankings = Rankings(published)  # type: ignore[arg-type]
    published.fault = OSError("gone")
    for _ in range(READINGS_AT_ONCE + 1):
        with pytest.raises(OSError, match="gone"):
            await rankings.ranking(standing(), NOW, fresh=True)
    published.fault = None

    async with asyncio.timeout(1):
        assert len((await rankings.ranking(standing(), NOW, fresh=True)).ranked) == PATIENTS


async def test_remembered_patients_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_PATIENTS", 2 * PATIENTS)
    published = FakePublished()
    rankings = Rankings(published)  # type: ignore[arg-type]
    for number in range(3):
        await rankings.ranking(standing(), NOW - number, fresh=True)

    await rankings.ranking(standing(), NOW - 2, fresh=True)
    await rankings.ranking(standing(), NOW - 1, fresh=True)
    assert len(published.begun) == 3
    await rankings.ranking(standing(), NOW, fresh=True)
    assert len(published.begun) == 4
