"""Settling knows whether records wait to be folded, and is woken when some were."""

import asyncio

import pytest

from risk_engine.pace import FOLDING_RECORDS, NEXT_SECONDS, Pace
from shared.clock import SystemClock


async def test_a_few_records_do_not_hold_settling_up() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS - 1):
        assert not pace.folding


async def test_between_two_batches_there_is_folding_still() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS):
        pass
    assert pace.folding
    with pace.fold(FOLDING_RECORDS):
        assert pace.folding


async def test_a_few_records_between_two_batches_change_nothing() -> None:
    pace = Pace(SystemClock())
    with pace.fold(FOLDING_RECORDS):
        pass
    with pace.fold(1):
        assert pace.folding
    assert pace.folding
    await asyncio.sleep(NEXT_SECONDS * 1.1)
    with pace.fold(1):
        assert not pace.folding
    assert not pace.folding


async def test_folding_ends_when_no_batch_follows_also_after_a_fault() -> None:
    pace = Pace(SystemClock())
    with pytest.raises(RuntimeError), pace.fold(FOLDING_RECORDS):
        raise RuntimeError
    assert pace.folding
    await asyncio.sleep(NEXT_SECONDS * 1.1)
    assert not pace.folding


async def test_whoever_idles_is_woken_when_the_batch_is_stored() -> None:
    pace = Pace(SystemClock())
    with pace.fold(1):
        idling = asyncio.create_task(pace.idle(60))
        await asyncio.sleep(0.02)
        assert not idling.done()
    await asyncio.wait_for(idling, 10)
