"""A lease is trusted for less time than it lasts, and losing it ends what it was held for."""

import asyncio
import time

import pytest

from ingestor import leases
from ingestor.errors import LeaseLostError
from ingestor.leases import Lease
from support.eventually import eventually


class FakeLeases:
    """Answers as it is told."""

    def __init__(self) -> None:
        self.free = True
        self.renewable: bool | Exception = True
        self.renewals = 0

    async def take(self, key_hash: str, holder: str, seconds: float) -> bool:
        return self.free

    async def renew(self, key_hash: str, holder: str, seconds: float) -> bool:
        self.renewals += 1
        if isinstance(self.renewable, Exception):
            raise self.renewable
        return self.renewable

    async def asked(self, times: int) -> None:
        """Returns once it was asked to renew so often."""

        def so() -> None:
            assert self.renewals >= times

        await eventually(so)

    async def give_back(self, key_hash: str, holder: str) -> None:
        self.free = True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeLeases:
    monkeypatch.setattr(leases, "TRUSTED_SECONDS", 0.3)
    monkeypatch.setattr(leases, "RENEW_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(leases, "_RETRY_SECONDS", 0.05)
    return FakeLeases()


async def a_lease(store: FakeLeases) -> Lease:
    lease = Lease(store, "key", "me", time.monotonic)
    assert await lease.take()
    return lease


async def hang() -> None:
    await asyncio.Event().wait()


def test_it_is_trusted_for_less_than_it_lasts_and_renewed_in_time():
    assert leases.RENEW_EVERY_SECONDS * 2 < leases.TRUSTED_SECONDS < leases.LEASE_SECONDS <= 20


async def test_what_another_holds_is_not_taken(store: FakeLeases):
    store.free = False
    lease = Lease(store, "key", "me", time.monotonic)
    assert not await lease.take()
    with pytest.raises(LeaseLostError):
        lease.check()


async def test_it_is_renewed_for_as_long_as_it_is_kept(store: FakeLeases):
    lease = await a_lease(store)
    async with lease.kept():
        await store.asked(9)  # far beyond the time that one is trusted for
        lease.check()


async def test_when_another_took_it_what_it_was_held_for_is_cancelled_at_once(store: FakeLeases):
    lease = await a_lease(store)
    store.renewable = False
    with pytest.raises(LeaseLostError):
        async with lease.kept():
            await hang()
    with pytest.raises(LeaseLostError):
        lease.check()


async def test_a_database_that_is_away_for_a_moment_loses_nothing(store: FakeLeases):
    lease = await a_lease(store)
    store.renewable = OSError("away")
    async with lease.kept():
        await store.asked(2)
        store.renewable = True
        await store.asked(9)
        lease.check()


async def test_a_database_that_is_away_for_long_ends_it_before_another_could_begin(store: FakeLeases):
    lease = await a_lease(store)
    store.renewable = OSError("away")
    began_at = time.monotonic()
    with pytest.raises(LeaseLostError):
        async with lease.kept():
            await hang()
    assert time.monotonic() - began_at < 1.0


async def test_errors_and_stops_of_the_block_come_through_as_they_are(store: FakeLeases):
    lease = await a_lease(store)
    with pytest.raises(ZeroDivisionError):
        async with lease.kept():
            raise ZeroDivisionError
    with pytest.raises(TimeoutError):
        async with lease.kept():
            raise TimeoutError

    async def keep() -> None:
        async with lease.kept():
            await hang()

    task = asyncio.create_task(keep())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
