"""Reads one of Cliniko's lists to its end, and moves its cursor when all it gave is in Kafka."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from ingestor.cliniko import Cliniko, Question
from ingestor.errors import (
    ClinikoError,
    NotFilterableError,
    NotThereError,
    RefusedError,
    SuspiciousLossError,
)
from ingestor.ledger import Work
from ingestor.plan import DELETED_SHOWN_APART, LIFTERS, MAY_BE_ABSENT, UNDOCUMENTED, Counts, Run, changed_since
from ingestor.store.requests import Progress
from ingestor.store.state import CursorStore
from ingestor.walk import Batch, batch_of, walked
from shared.failpoints import reached
from shared.faults import describe
from shared.logs import log_of

IDS_AT_ONCE = 50
"""In one question: the URL stays below 2,000 characters."""

_log = log_of("lists")

Report = Callable[[Progress], Awaitable[None]]
Take = Callable[[Batch], Awaitable[None]]


async def nothing_between() -> None:
    """What is done between two batches, usually."""


class Lists:
    """The lists of one organization's Cliniko, in one synchronization.

    `report` and `between` are called after every batch.
    """

    def __init__(
        self,
        cliniko: Cliniko,
        work: Work,
        cursors: CursorStore,
        run: Run,
        *,
        report: Report,
        between: Callable[[], Awaitable[None]],
    ) -> None:
        self._cliniko = cliniko
        self._work = work
        self._cursors = cursors
        self._run = run
        self._report = report
        self._between = between

    async def follow(self, resource: str, take: Take, *, and_then: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Reads a list, hands it over in batches, and moves its cursor.

        False: it cannot be read now, which is noted; the cursor stays. Raises what stops the run.
        """
        try:
            await self._read(resource, take)
            if resource in DELETED_SHOWN_APART:
                await self._read_deleted(resource, take)
            if and_then is not None:
                await and_then()
        except (RefusedError, SuspiciousLossError):
            raise
        except NotThereError as fault:
            if resource not in MAY_BE_ABSENT:
                self.note_failure(resource, fault)
            return False
        except ClinikoError as fault:
            self.note_failure(resource, fault)
            return False
        await self.move(resource)
        return True

    async def read_by_id(self, resource: str, wanted: set[str], take: Take) -> None:
        """Reads records by id, hidden or not; `wanted` loses those that were found."""

        async def take_and_strike(batch: Batch) -> None:
            await take(batch)
            wanted.difference_update(batch.ids)

        ids = sorted(wanted)
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            filters = (f"id:={','.join(some)}", *LIFTERS[resource])
            try:
                await self._walk(resource, filters, take_and_strike)
            except NotFilterableError:
                await self._read_singly(resource, some, take_and_strike)

    async def move(self, resource: str) -> None:
        """Moves a list's cursor to where the run's cursors go."""
        reached("ingestor.before_cursor")
        self._work.lease.check()
        full_run = self._run.full_run if self._run.reads_whole(resource) else None
        await self._cursors.move(self._work.org, resource, since=self._run.since, full_run=full_run)

    def note_failure(self, resource: str, fault: ClinikoError) -> None:
        """A list cannot be read now; the second time in one run nothing more is tried."""
        _log.warning(
            "a list could not be read",
            organization_id=self._work.org,
            resource=resource,
            error=describe(fault),
        )
        self._run.failures.append(fault)
        if len(self._run.failures) > 1:
            raise fault

    async def _read(self, resource: str, take: Take) -> None:
        lifters = LIFTERS[resource]
        if self._run.reads_whole(resource):
            distinct, total = await self._walk_as_it_can(resource, [lifters], take)
            if total is not None and distinct < total:
                # A record that was deleted meanwhile moved others to pages that had been read.
                await self._walk_as_it_can(resource, [lifters], take)
            return
        changed = changed_since("updated_at", self._run.cursors[resource].since)
        await self._walk_as_it_can(resource, [(changed, *lifters), lifters], take)

    async def _walk_as_it_can(
        self, resource: str, questions: Sequence[tuple[str, ...]], take: Take
    ) -> tuple[int, int | None]:
        """Walks the list with the first filters; one of undocumented filters with the first that it takes."""
        if resource in UNDOCUMENTED:
            for filters in questions:
                with suppress(NotFilterableError):
                    return await self._walk(resource, filters, take)
            return await self._walk(resource, (), take)
        return await self._walk(resource, questions[0], take)

    async def _read_deleted(self, resource: str, take: Take) -> None:
        whole = self._run.reads_whole(resource)
        since = 0 if whole else self._run.cursors[resource].since
        deleted = "deleted_at:?" if whole else changed_since("deleted_at", since)
        try:
            await self._walk(resource, (deleted, *LIFTERS[resource]), take)
        except NotFilterableError as fault:
            _log.info("deleted ones are not shown apart", resource=resource, error=fault)

    async def _walk(self, resource: str, filters: Sequence[str], take: Take) -> tuple[int, int | None]:
        """Reads a list to its end; how many different records there were, and should have been."""
        question = Question(f"/{resource}", resource, tuple(filters))
        counts = self._run.counts.setdefault(resource, Counts())
        ids, total, read = set[str](), None, 0
        async with walked(self._cliniko.pages(question), resource) as batches:
            async for batch in batches:
                await self._take(resource, batch, take, counts)
                ids |= batch.ids
                total, read = batch.total, read + batch.count
                await self._report(Progress(resource, read, total, self._work.published))
                await self._between()
        return len(ids), total

    async def _read_singly(self, resource: str, ids: Sequence[str], take: Take) -> None:
        counts = self._run.counts.setdefault(resource, Counts())
        for record_id in ids:
            page = await self._cliniko.record(resource, record_id, LIFTERS[resource])
            if page is not None:
                await self._take(resource, batch_of([page], resource), take, counts)

    async def _take(self, resource: str, batch: Batch, take: Take, counts: Counts) -> None:
        before = self._work.published
        await take(batch)
        counts.read += batch.count
        counts.published += self._work.published - before
        for why, count in batch.nonsense.items():
            counts.skipped += count
            _log.warning(
                "records that make no sense were left out",
                organization_id=self._work.org,
                resource=resource,
                reason=why,
                count=count,
            )
