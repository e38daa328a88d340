"""Settling gives way to folding while records wait, but not for ever."""

import asyncio

from risk_engine.pace import FOLDING_RECORDS, REST, Pace
from shared.clock import SystemClock


async def _rest(pace: Pace, spent: float) -> float:
    began = asyncio.get_running_loop().time()
    await pace.give_way(spent)
    return asyncio.get_running_loop().time() - began


async def test_a_few_records_do_not_hold_settling_up() -> None:
    pace = Pace(SystemClock())
    pace.wake(FOLDING_RECORDS - 1)

    assert not pace.folding
    assert await _rest(pace, 10) < 1


async def test_while_records_wait_settling_rests_in_proportion() -> None:
    pace = Pace(SystemClock())
    pace.wake(FOLDING_RECORDS)

    assert await _rest(pace, 0.02) >= 0.02 * REST


async def test_the_rest_ends_with_the_last_batch() -> None:
    pace = Pace(SystemClock())
    pace.wake(FOLDING_RECORDS)
    asyncio.get_running_loop().call_later(0.02, pace.wake, 1)

    assert await _rest(pace, 60) < 10


async def test_the_rest_ends_when_nothing_is_heard_of_folding() -> None:
    pace = Pace(SystemClock())
    pace.wake(FOLDING_RECORDS)

    assert await _rest(pace, 60) < 10
