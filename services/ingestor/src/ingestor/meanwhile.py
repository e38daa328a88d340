"""What is not to wait for the end of a long full load: changes, and those who ask for them."""

from collections.abc import Sequence

from ingestor.cliniko import Cliniko
from ingestor.errors import ClinikoError, RefusedError, SuspiciousLossError
from ingestor.ledger import Work
from ingestor.store.requests import Progress
from ingestor.sync import Synchronizer
from ingestor.task import Stores, Task
from shared.logs import log_of

LOOK_EVERY_SECONDS = 1.0

_log = log_of("meanwhile")


class Meanwhile:
    """Looks, between two batches of a full load, for what is due or asked for."""

    def __init__(self, stores: Stores, task: Task, cliniko: Cliniko, work: Work, *, overlap_seconds: float) -> None:
        self._stores = stores
        self._task = task
        self._cliniko = cliniko
        self._work = work
        self._overlap = overlap_seconds
        self._loaded_before = task.status.last_full_sync_time is not None
        self._look_at = work.clock.monotonic() + LOOK_EVERY_SECONDS
        self._follow_at = work.clock.monotonic() + task.interval

    async def look(self) -> None:
        """Between two batches: follows what changed if that is due or asked for.

        Not in the first load: then most cursors have still to be set.
        """
        now = self._work.clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_SECONDS
        served = {*self._task.request_ids, *self._task.watchers}
        newcomers = [
            request.id
            for request in await self._stores.requests.open(self._task.org)
            if request.id not in served and not request.full
        ]
        if not self._loaded_before:
            self._task.watchers += newcomers
            await self._stores.requests.running(newcomers)
        elif newcomers or now >= self._follow_at:
            self._follow_at = now + self._task.interval
            await self._follow(newcomers)

    async def _follow(self, requests: Sequence[str]) -> None:
        stores = self._stores

        async def report(progress: Progress) -> None:
            await stores.requests.progress(requests, progress)

        synchronizer = Synchronizer(
            self._cliniko,
            self._work,
            stores.cursors,
            overlap_seconds=self._overlap,
            report=report,
        )
        await stores.requests.running(requests)
        published_before = self._work.published
        try:
            run = await synchronizer.run(full_run=None)
        except (RefusedError, SuspiciousLossError):
            raise
        except ClinikoError as fault:
            _log.warning("changes were not followed", organization_id=self._task.org, error=fault)
            await stores.requests.failed(requests, str(fault))
        else:
            read = sum(counts.read for counts in run.counts.values())
            published = self._work.published - published_before
            await stores.requests.done(requests, Progress("all", read, read, published))
            await stores.statuses.write(self._task.org, last_sync_time=self._work.clock.now())
