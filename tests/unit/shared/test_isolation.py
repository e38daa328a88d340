"""What a failing handler costs: never a good record, and of bad ones only those that are."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dead_letters import DeadLetter, FailureLimit, FailureLimitError
from shared.faults import TransientError
from shared.isolation import InterruptedWaitError, Patience, handle_patiently
from shared.records import Record

PATIENT = Patience(total=5, first=0.001, longest=0.002, between=0.001)


def batch(count: int) -> list[Record]:
    return [Record("t", 0, offset, b"k%d" % offset, b"%d" % offset, (), 0) for offset in range(count)]


@given(st.integers(1, 40), st.sets(st.integers(0, 39)))
async def test_the_records_that_fail_are_found_and_all_others_are_handled(count: int, bad: set[int]) -> None:
    handled: set[int] = set()

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        if any(record.offset in bad for record in records):
            raise KeyError("one of them")
        handled.update(record.offset for record in records)
        return []

    dead = await handle_patiently(handle, batch(count), PATIENT, asyncio.Event())
    assert [letter.record.offset for letter in dead] == sorted(bad & set(range(count)))
    assert handled == set(range(count)) - bad
    assert all(letter.unexpected and letter.error == "KeyError: unexpected" for letter in dead)


async def test_a_fault_that_passes_soon_sets_nothing_aside_though_it_does_not_look_transient() -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.2
    handled: list[int] = []

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        if loop.time() < until:
            raise KeyError("for a while")
        handled.extend(record.offset for record in records)
        return []

    assert await handle_patiently(handle, batch(40), Patience(), asyncio.Event()) == []
    assert sorted(handled) == list(range(40))


async def test_a_transient_fault_is_waited_out_and_sets_nothing_aside() -> None:
    calls = 0

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        nonlocal calls
        calls += 1
        if calls < 5:
            raise TransientError("MongoDB is away")
        return []

    assert await handle_patiently(handle, batch(3), PATIENT, asyncio.Event()) == []
    assert calls == 5


async def test_patience_ends_and_the_fault_comes_out() -> None:
    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        raise TransientError("MongoDB is away")

    with pytest.raises(TransientError):
        await handle_patiently(handle, batch(3), Patience(total=0.01, first=0.001), asyncio.Event())


async def test_waiting_ends_at_once_when_the_partitions_go() -> None:
    give_up = asyncio.Event()

    async def handle(records: Sequence[Record]) -> list[DeadLetter]:
        give_up.set()
        raise TransientError("MongoDB is away")

    with pytest.raises(InterruptedWaitError):
        await asyncio.wait_for(handle_patiently(handle, batch(3), Patience(total=60, first=30), give_up), 5)


def failing(records: Sequence[Record]) -> list[DeadLetter]:
    return [DeadLetter.of_exception(record, KeyError()) for record in records]


def test_the_limit_stops_when_more_than_half_of_the_last_200_failed() -> None:
    limit, records = FailureLimit(), batch(1_000)
    limit.count(records[:200], [])
    limit.check(records[200:300], failing(records[200:300]))
    limit.count(records[200:300], failing(records[200:300]))
    with pytest.raises(FailureLimitError):
        limit.check(records[300:301], failing(records[300:301]))
    limit.check(records[300:310], [])


def test_a_batch_that_comes_again_counts_once() -> None:
    limit, records = FailureLimit(), batch(60)
    for _ in range(10):
        limit.check(records, failing(records))
    limit.count(records, failing(records))
    with pytest.raises(FailureLimitError):
        limit.check(records, failing(records))


def test_a_few_patients_of_whom_nothing_succeeds_do_not_stop_the_others() -> None:
    limit = FailureLimit()
    records = [record._replace(key=b"k%d" % (record.offset % 4)) for record in batch(1_000)]
    limit.check(records, failing(records))
    limit.count(records, failing(records))
    limit.check(batch(1), failing(batch(1)))


def test_records_that_break_rules_never_reach_the_limit() -> None:
    limit, records = FailureLimit(), batch(5_000)
    limit.check(records, [DeadLetter.invalid(record, "a rule") for record in records])
