"""Work in transactions: all of it, never two of an organization at once, both lanes busy for as long as possible."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from risk_engine.turns import BATCH, LANES, OVERLAPPING, SMALLEST_BATCH, Turns
from shared.clock import SystemClock
from shared.timelines import Document


class Writes:
    """What was written, and which organizations were being written at each moment."""

    def __init__(self, long: int = 0) -> None:
        self._long = long
        self.written: list[str] = []
        self.batches: list[list[str]] = []
        """The organization of each of a batch, batch by batch."""
        self.at_once: list[list[str]] = []
        self._under_way: list[set[str]] = []

    async def prepare(self, some: Sequence[Document]) -> list[Document]:
        await asyncio.sleep(0)
        return list(some)

    async def write(self, some: list[Document]) -> None:
        self.batches.append([each["organization_id"] for each in some])
        organizations = set(self.batches[-1])
        self._under_way.append(organizations)
        self.at_once.append([organization for each in self._under_way for organization in each])
        for _ in range(self._long + 1):
            await asyncio.sleep(0)
        self._under_way.remove(organizations)
        self.written += [each["_id"] for each in some]


def _work(sizes: Sequence[int]) -> list[Document]:
    """So many of each organization, in turns: nobody's wait in a row."""
    return [
        {"_id": f"{organization}-{number}", "organization_id": str(organization)}
        for number in range(max(sizes, default=0))
        for organization, size in enumerate(sizes)
        if number < size
    ]


@given(st.lists(st.integers(0, 3 * SMALLEST_BATCH), max_size=6), st.sampled_from([1, OVERLAPPING]))
def test_everything_is_written_once_and_no_organization_twice_at_once(sizes: list[int], parts: int) -> None:
    writes, work = Writes(), _work(sizes)
    if work:
        asyncio.run(Turns(SystemClock()).take(work, writes.prepare, writes.write, parts))

    assert sorted(writes.written) == sorted(each["_id"] for each in work)
    assert all(len(of) == len(set(of)) for of in writes.at_once)


@given(
    st.lists(st.lists(st.integers(0, 3 * SMALLEST_BATCH), min_size=1, max_size=4), min_size=1, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.integers(0, 30),
)
@example([[3 * SMALLEST_BATCH], [1], [2 * SMALLEST_BATCH, 1]], [True] * 5, 30)
def test_what_is_taken_while_the_last_is_written_waits_for_it(
    takes: list[list[int]], ahead: list[bool], long: int
) -> None:
    writes, turns = Writes(long), Turns(SystemClock())

    async def all_of_them() -> None:
        for sizes, leave_last in zip(takes, ahead, strict=False):
            work = _work(sizes)
            await turns.take(work, writes.prepare, writes.write, ahead=leave_last)
            assert leave_last or not work or not turns.under_way
        await turns.ended()
        assert not await turns.ended()

    asyncio.run(all_of_them())
    assert sorted(writes.written) == sorted(each["_id"] for sizes in takes for each in _work(sizes))
    assert all(len(of) == len(set(of)) for of in writes.at_once)


async def test_of_nothing_nothing_is_prepared_or_written() -> None:
    async def never(_: object) -> None:
        raise AssertionError

    await Turns(SystemClock()).take([], never, never)


async def test_it_returns_while_the_last_is_written_and_says_what() -> None:
    turns, writes, goes_on = Turns(SystemClock()), Writes(), asyncio.Event()

    async def write(some: list[Document]) -> None:
        if some[-1]["_id"] == work[-1]["_id"]:
            await goes_on.wait()
        await writes.write(some)

    work = _work([3 * SMALLEST_BATCH])
    await turns.take(work, writes.prepare, write, ahead=True)
    assert turns.under_way == {each["_id"] for each in work} - set(writes.written)
    assert len(turns.under_way) == SMALLEST_BATCH
    goes_on.set()
    assert await turns.ended()
    assert turns.under_way == set()


@pytest.mark.parametrize("next_one", ["waits", "takes few", "takes many"])
async def test_what_the_last_raises_is_raised_by_whoever_comes_next(next_one: str) -> None:
    turns, writes = Turns(SystemClock()), Writes()

    async def fail(_: list[Document]) -> None:
        raise ConnectionError("no")

    next_work = {"takes few": _work([1]), "takes many": _work([200])}
    await turns.take(_work([SMALLEST_BATCH, 1]), writes.prepare, fail, ahead=True)
    with pytest.raises(ConnectionError):
        await (
            turns.take(next_work[next_one], writes.prepare, writes.write) if next_one in next_work else turns.ended()
        )
    assert writes.written == []
    await turns.take(_work([200]), writes.prepare, writes.write)
    assert len(writes.written) == 200


async def test_what_is_still_written_can_be_ended() -> None:
    turns, writes = Turns(SystemClock()), Writes()
    undone = asyncio.Event()

    async def write(_: list[Document]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            undone.set()

    await turns.take(_work([SMALLEST_BATCH, 1]), writes.prepare, write, ahead=True)
    await asyncio.sleep(0)
    await turns.end()
    assert undone.is_set()
    assert turns.under_way == set()


async def test_what_is_prepared_ahead_ends_with_a_write_that_fails() -> None:
    turns, preparing, begun = Turns(SystemClock()), set(), 0

    async def prepare(some: Sequence[Document]) -> Sequence[Document]:
        nonlocal begun
        begun += 1
        preparing.add(some[0]["_id"])
        try:
            await asyncio.sleep(0 if some[0]["_id"] in ("0-0", f"0-{SMALLEST_BATCH}") else 30)
        finally:
            preparing.discard(some[0]["_id"])
        return some

    async def fail(_: Sequence[Document]) -> None:
        raise ConnectionError("no")

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(turns.take(_work([4 * SMALLEST_BATCH]), prepare, fail), 10)
    assert begun == 3
    assert preparing == set()


def test_two_organizations_are_written_at_once() -> None:
    writes = Writes()
    asyncio.run(Turns(SystemClock()).take(_work([200, 200]), writes.prepare, writes.write))

    assert max(len(of) for of in writes.at_once) == LANES


@given(st.lists(st.integers(0, SMALLEST_BATCH), max_size=12))
def test_an_organization_that_fits_into_a_batch_is_not_cut(sizes: list[int]) -> None:
    writes, work = Writes(), _work(sizes)
    if len(work) > SMALLEST_BATCH:
        asyncio.run(Turns(SystemClock()).take(work, writes.prepare, writes.write, parts=1))

        together = Counter(organization for batch in writes.batches for organization in set(batch))
        assert set(together.values()) == {1}


def test_a_large_organization_is_cut_into_equal_parts() -> None:
    three = 2 * BATCH + 300

    async def batches_of(*sizes: int) -> list[list[int]]:
        turns, writes = Turns(SystemClock()), Writes()
        while len(writes.batches) == 0 or len(writes.batches[-1]) < BATCH:  # it grows while it is quick
            await turns.take(_work([BATCH]), writes.prepare, writes.write, parts=1)
        writes.batches.clear()
        await turns.take(_work(sizes), writes.prepare, writes.write, parts=1)
        return [list(Counter(batch).values()) for batch in writes.batches]

    assert asyncio.run(batches_of(three, three)) == [[three // 3]] * 6
    assert sorted(asyncio.run(batches_of(three, three, 100))) == [[100], *[[three // 3]] * 6]
