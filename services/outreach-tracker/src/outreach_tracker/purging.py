"""What was held of a removed organization is deleted, whoever wrote it last."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.clock import Clock
from shared.faults import describe, is_transient
from shared.logs import log_of

PAUSE_SECONDS = 2.0

_log = log_of("purging")


class PurgedStore(Protocol):
    """What is asked of the store."""

    async def create_indexes(self) -> None:
        """Has the organization's histories be found quickly; idempotent."""
        ...

    async def purge(self, organization_id: str, before: int) -> int:
        """Deletes the organization's histories last changed before an instant; how many."""
        ...


async def purge_removed(removed: Callable[[], Awaitable[list[str]]], store: PurgedStore, clock: Clock) -> None:
    """Deletes what is held of each organization that is removed now; idempotent.

    The instant is taken before the question who is removed: an organization that is added again
    meanwhile keeps what is told of it from then on.
    """
    before = clock.now()
    for organization_id in await removed():
        count = await store.purge(organization_id, before)
        if count:
            _log.info("purged", organization_id=organization_id, count=count)


async def keep_purging(removed: Callable[[], Awaitable[list[str]]], store: PurgedStore, clock: Clock) -> None:
    """Purges for ever: a batch that was in hand when its organization was removed comes late."""
    indexed = False
    while True:
        try:
            if not indexed:
                await store.create_indexes()
                indexed = True
            await purge_removed(removed, store, clock)
        except Exception as fault:
            if not is_transient(fault):
                raise
            _log.warning("not purged", error=describe(fault))
        await asyncio.sleep(PAUSE_SECONDS)
