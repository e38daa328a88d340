"""Settling gives way to folding while records wait, but not for ever."""

import asyncio

import pytest

from risk_engine.pace import FOLDING_RECORDS, REST, Pace
from shared.clock import SystemClock


async def _rest(pace: Pace, spent: float) -> float:
    began = asyncio.get_running_loop().time()
    await pace.give_way(spent)
    return asyncio.get_running_loop().time() - began


async def test_a_few_records_do_not_hold_settling_up() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS - 1):
        assert not pace.folding
        assert await _rest(pace, 10) < 1


async def test_while_records_are_in_hand_settling_rests_in_proportion() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS):
        assert 2 * REST <= await _rest(pace, 2) < 10


async def test_between_two_batches_it_rests_on() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS):
        pass
    assert pace.folding
    with pace.fold(FOLDING_RECORDS):
        assert pace.folding


async def test_the_rest_ends_with_a_batch_of_a_few() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS):
        pass
    with pace.fold(1):
        assert await _rest(pace, 60) < 1
    assert not pace.folding


async def test_the_rest_ends_when_no_batch_follows_also_after_a_fault() -> None:
    pace = Pace(SystemClock())
    with pytest.raises(RuntimeError), pace.fold(FOLDING_RECORDS):
        raise RuntimeError
    assert await _rest(pace, 60) < 10


async def test_whoever_idles_is_woken_when_the_batch_is_stored() -> None:
    pace = Pace(SystemClock())
    with pace.fold(1):
        idling = asyncio.create_task(pace.idle(60))
        await asyncio.sleep(0.02)
        assert not idling.done()
    await asyncio.wait_for(idling, 10)
