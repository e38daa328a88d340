"""Work in transactions: all of it, never two of one home at once, both lanes busy for as long as possible."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from risk_engine.turns import LANES, OVERLAPPING, SMALLEST_BATCH, Turns
from shared.clock import SystemClock
from shared.timelines import Document


class Writes:
    """What was written, and which homes were being written at each moment."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.at_once: list[list[int]] = []
        self._under_way: list[set[int]] = []

    async def prepare(self, some: Sequence[Document]) -> list[Document]:
        await asyncio.sleep(0)
        return list(some)

    async def write(self, some: list[Document]) -> None:
        homes = {each["home"] for each in some}
        self._under_way.append(homes)
        self.at_once.append([home for each in self._under_way for home in each])
        await asyncio.sleep(0)
        self._under_way.remove(homes)
        self.written += [each["_id"] for each in some]


def _work(sizes: Sequence[int]) -> list[Document]:
    return [{"_id": f"{home}-{number}", "home": home} for home, size in enumerate(sizes) for number in range(size)]


@given(st.lists(st.integers(0, 3 * SMALLEST_BATCH), max_size=6), st.sampled_from([1, OVERLAPPING]))
def test_everything_is_written_once_and_no_home_twice_at_once(sizes: list[int], parts: int) -> None:
    writes, work = Writes(), _work(sizes)
    if work:
        asyncio.run(Turns(SystemClock()).take(work, writes.prepare, writes.write, parts))

    assert sorted(writes.written) == sorted(each["_id"] for each in work)
    assert all(len(homes) == len(set(homes)) for homes in writes.at_once)


def test_two_homes_of_the_same_parity_are_written_at_once() -> None:
    writes = Writes()
    work = [each for each in _work([200, 0, 200]) if each["home"] in (0, 2)]
    asyncio.run(Turns(SystemClock()).take(work, writes.prepare, writes.write))

    assert max(len(homes) for homes in writes.at_once) == LANES
