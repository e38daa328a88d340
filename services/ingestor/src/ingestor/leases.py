"""Holds the right to use an API key, and says at any moment whether it still does.

The lease runs for 20 seconds by MongoDB's clock and is renewed every 5. Here it is trusted until
16 seconds, by the monotonic clock, after a renewal was *sent*: whatever was delayed, the holder
stops before another can start. A request under way then is cancelled.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from ingestor.errors import LeaseLostError
from shared.faults import describe
from shared.logs import log_of
from shared.tasks import cancelled

LEASE_SECONDS = 20.0
RENEW_EVERY_SECONDS = 5.0
TRUSTED_SECONDS = 16.0
"""Less than the lease by what clocks may differ, and cancelling may take."""

_RETRY_SECONDS = 1.0

_log = log_of("leases")


class LeaseStore(Protocol):
    """What is asked of the store (`ingestor.store.leases`)."""

    async def take(self, key_hash: str, holder: str, seconds: float) -> bool:
        """Whether the holder has the lease now."""
        ...

    async def renew(self, key_hash: str, holder: str, seconds: float) -> bool:
        """Whether the holder still has it."""
        ...

    async def give_back(self, key_hash: str, holder: str) -> None:
        """It is free again."""
        ...


class Lease:
    """The right to use one API key, as far as this process knows."""

    def __init__(self, leases: LeaseStore, key_hash: str, holder: str, monotonic: Callable[[], float]) -> None:
        self._leases = leases
        self._key_hash = key_hash
        self._holder = holder
        self._monotonic = monotonic
        self._deadline = 0.0

    async def take(self) -> bool:
        """Whether it is ours now."""
        asked_at = self._monotonic()
        if not await self._leases.take(self._key_hash, self._holder, LEASE_SECONDS):
            return False
        self._deadline = asked_at + TRUSTED_SECONDS
        return True

    def check(self) -> None:
        """Raises LeaseLostError when the key must not be used any more."""
        if self._monotonic() >= self._deadline:
            raise LeaseLostError("the lease of the API key ran out")

    async def confirm(self) -> None:
        """Asks the database; raises LeaseLostError when the lease is not ours any more."""
        asked_at = self._monotonic()
        if not await self._leases.renew(self._key_hash, self._holder, LEASE_SECONDS):
            self._deadline = 0.0
            raise LeaseLostError("another ingestor holds the lease of the API key")
        self._deadline = asked_at + TRUSTED_SECONDS

    async def give_back(self) -> None:
        """It is not ours any more."""
        self._deadline = 0.0
        await self._leases.give_back(self._key_hash, self._holder)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renews the lease while the block runs, and cancels the block when that fails.

        Raises LeaseLostError then.
        """
        try:
            async with asyncio.timeout(self._left()) as scope:
                keeper = asyncio.create_task(self._keep(scope))
                try:
                    yield
                finally:
                    await cancelled(keeper)
        except TimeoutError as fault:
            if not scope.expired():
                raise
            raise LeaseLostError("the lease of the API key could not be renewed") from fault

    def _left(self) -> float:
        return self._deadline - self._monotonic()

    async def _keep(self, scope: asyncio.Timeout) -> None:
        """Moves the scope's end on with every renewal; to now when the lease is lost."""
        loop = asyncio.get_running_loop()
        pause = RENEW_EVERY_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                await self.confirm()
                pause = RENEW_EVERY_SECONDS
            except LeaseLostError:
                scope.reschedule(loop.time())
                return
            except Exception as fault:  # noqa: BLE001 - whatever it is, the lease runs on a while
                _log.warning("the lease could not be renewed", error=describe(fault))
                pause = _RETRY_SECONDS
            else:
                scope.reschedule(loop.time() + self._left())
