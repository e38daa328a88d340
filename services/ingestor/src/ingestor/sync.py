"""Synchronizes one organization: which lists are read, in which order, and when a cursor moves.

A full load reads every list whole; otherwise what changed since the list's cursor. A cursor moves
when all that its list gave is in Kafka, to the begin of the run, by Cliniko's clock, less an
overlap: time stamps have whole seconds, and reads may come out of a cache.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ingestor import bookings, contacts
from ingestor.cliniko import Cliniko, Question
from ingestor.errors import (
    ClinikoError,
    NotFilterableError,
    NotThereError,
    RefusedError,
    SuspiciousLossError,
    UnavailableError,
)
from ingestor.ledger import Work
from ingestor.losses import check_losses
from ingestor.names import read_names
from ingestor.store.requests import Progress
from ingestor.store.state import Cursor, CursorStore
from ingestor.translate import UntranslatableError, deleted_patient
from ingestor.walk import Batch, walked
from rules.instants import SECOND, format_instant
from shared.faults import describe
from shared.logs import log_of

LIFT_ARCHIVED = "archived_at:*"
LIFT_CANCELLED = "cancelled_at:*"

LIFTERS: dict[str, tuple[str, ...]] = {
    "medical_alerts": (LIFT_ARCHIVED,),
    "patient_cases": (LIFT_ARCHIVED,),
    "referral_sources": (LIFT_ARCHIVED,),
    "patients": (LIFT_ARCHIVED,),
    "group_appointments": (LIFT_ARCHIVED,),
    "attendees": (LIFT_ARCHIVED, LIFT_CANCELLED),
    "individual_appointments": (LIFT_ARCHIVED, LIFT_CANCELLED),
    "communications": (LIFT_ARCHIVED,),
    "recalls": (LIFT_ARCHIVED,),
}
"""What makes a list show what it hides: without, a cancelled record would just stop appearing."""

DELETED_SHOWN_APART = (
    "medical_alerts",
    "group_appointments",
    "attendees",
    "individual_appointments",
)
"""Lists that can be asked for deleted records: whether they show them otherwise is not known."""

MAY_BE_ABSENT = ("recalls", "referral_sources")
"""Lists that an account may not have: then they answer 404, and there is nothing to follow."""

IDS_AT_ONCE = 50
"""In one question: the URL stays below 2,000 characters."""

_log = log_of("sync")

Report = Callable[[Progress], Awaitable[None]]
Take = Callable[[Batch], Awaitable[None]]


@dataclass(slots=True)
class Counts:
    """What a synchronization did with one resource."""

    read: int = 0
    skipped: int = 0
    published: int = 0


@dataclass(slots=True)
class Run:
    """One synchronization: what it is to read, and what it found."""

    full_run: int | None
    """The begin of the full load that this is (or goes on with)."""

    cursors: dict[str, Cursor]
    since: int = 0
    """To where cursors move."""

    counts: dict[str, Counts] = field(default_factory=dict)
    failures: list[ClinikoError] = field(default_factory=list)

    def reads_whole(self, resource: str) -> bool:
        """Whether a list is to be read from its beginning."""
        cursor = self.cursors.get(resource)
        return cursor is None or (self.full_run is not None and cursor.full_run != self.full_run)


async def nothing_between() -> None:
    """What is done between two batches, usually."""


class Synchronizer:
    """Follows the Cliniko of one organization, step by step, one at a time."""

    def __init__(
        self,
        cliniko: Cliniko,
        work: Work,
        cursors: CursorStore,
        *,
        overlap_seconds: float,
        report: Report,
        between: Callable[[], Awaitable[None]] = nothing_between,
    ) -> None:
        self._cliniko = cliniko
        self._work = work
        self._cursors = cursors
        self._overlap = round(overlap_seconds * SECOND)
        self._report = report
        self._between = between

    async def run(self, *, full_run: int | None) -> Run:
        """Reads what is to be read; all of it is in Kafka when this returns.

        `full_run`: the begin of the full load to do or to go on with; None: only what changed.
        Raises what stops the organization. A list that cannot be read now does not keep the
        others from being followed: its error is raised at the end.
        """
        work = self._work
        began_at = work.clock.now()
        run = Run(full_run, await self._cursors.all_of(work.org))
        work.erased = await work.records.erased(work.org)
        await read_names(self._cliniko, work)
        server_time = self._cliniko.server_time
        # The earlier of two clocks: to read twice is harmless.
        run.since = min(began_at, began_at if server_time is None else server_time) - self._overlap
        for step in (
            self._follow_deleted_patients,
            self._follow_parts,
            self._follow_patients,
            self._follow_bookings,
            self._follow_notes,
        ):
            await step(run)
        if run.failures:
            raise run.failures[0]
        return run

    async def _follow_deleted_patients(self, run: Run) -> None:
        resource = "deleted_patients"
        whole = run.reads_whole(resource)
        filters = () if whole else (_from("deleted_at", run.cursors[resource].since),)
        question = Question("/patients/deleted", "patients", filters)
        counts = run.counts.setdefault(resource, Counts())
        try:
            async for page in self._cliniko.pages(question):
                deletions = []
                for raw in page.items:
                    try:
                        deletions.append(deleted_patient(raw))
                    except UntranslatableError:
                        counts.skipped += 1
                counts.read += len(page.items)
                counts.published += await contacts.erase(self._work, deletions, read_at=page.read_at, for_good=True)
        except (NotThereError, NotFilterableError) as fault:
            _log.info("no list of deleted patients", organization_id=self._work.org, error=fault)
            return
        except UnavailableError as fault:
            self._failed(run, resource, fault)
            return
        await self._move(run, resource, whole)

    async def _follow_parts(self, run: Run) -> None:
        for resource in contacts.PARTS:

            async def take(batch: Batch, resource: str = resource) -> None:
                await contacts.take_parts(self._work, resource, batch)

            await self._follow(run, resource, take)

    async def _follow_patients(self, run: Run) -> None:
        work, seen = self._work, set[str]()
        whole = run.reads_whole("patients")
        known = await work.records.ids_of(work.org, "patients") if whole else set[str]()

        async def take(batch: Batch) -> None:
            if whole:
                seen.update(batch.ids)
            await contacts.take_patients(work, batch)

        async def check() -> None:
            missing = known - seen - work.erased.keys()
            await check_losses(self._cliniko, work, missing, known=len(known), seen=seen)

        await self._follow(run, "patients", take, and_then=check if whole else None)

    async def _follow_bookings(self, run: Run) -> None:
        work = self._work
        seen, pending = set[str](), set[str]()
        whole = run.reads_whole("attendees")
        # Read whole, the appointments had all marks that were set before the full load began.
        since = (run.full_run or run.since) - self._overlap if whole else 0

        async def take_classes(batch: Batch) -> None:
            await bookings.take_classes(work, batch)

        async def take_appointments(batch: Batch) -> None:
            await bookings.take_own(work, "individual_appointments", batch)
            seen.update(batch.ids)

        async def take_attendees(batch: Batch) -> None:
            pending.update(await bookings.take_attendees(work, batch, seen=seen, since=since))

        async def read_pending() -> None:
            await self._read_by_id(run, "individual_appointments", pending, take_appointments)
            await self._read_by_id(run, "group_appointments", pending, take_classes)

        known = await self._follow(run, "group_appointments", take_classes)
        if await self._follow(run, "individual_appointments", take_appointments) and known:
            await self._follow(run, "attendees", take_attendees, and_then=read_pending)

    async def _follow_notes(self, run: Run) -> None:
        for resource in ("communications", "recalls"):

            async def take(batch: Batch, resource: str = resource) -> None:
                await bookings.take_own(self._work, resource, batch)

            await self._follow(run, resource, take)

    async def _follow(
        self,
        run: Run,
        resource: str,
        take: Take,
        *,
        and_then: Callable[[], Awaitable[None]] | None = None,
    ) -> bool:
        """Reads one list and moves its cursor; False: it could not be read now."""
        whole = run.reads_whole(resource)
        try:
            await self._walk_list(run, resource, take, whole=whole)
            if resource in DELETED_SHOWN_APART:
                await self._walk_deleted(run, resource, take, whole=whole)
            if and_then is not None:
                await and_then()
        except NotThereError as fault:
            if resource not in MAY_BE_ABSENT:
                self._failed(run, resource, fault)
            return False
        except (RefusedError, SuspiciousLossError):
            raise
        except ClinikoError as fault:
            self._failed(run, resource, fault)
            return False
        await self._move(run, resource, whole)
        return True

    async def _walk_list(self, run: Run, resource: str, take: Take, *, whole: bool) -> None:
        lifters = LIFTERS[resource]
        if whole:
            distinct, total = await self._walk(run, resource, lifters, take)
            if total is not None and distinct < total:
                # A record that was deleted meanwhile moved others to pages that had been read.
                await self._walk(run, resource, lifters, take)
            return
        changed = _from("updated_at", run.cursors[resource].since)
        try:
            await self._walk(run, resource, (changed, *lifters), take)
        except NotFilterableError:
            if resource != "recalls":
                raise
            await self._walk(run, resource, lifters, take)

    async def _walk_deleted(self, run: Run, resource: str, take: Take, *, whole: bool) -> None:
        deleted = "deleted_at:?" if whole else _from("deleted_at", run.cursors[resource].since)
        try:
            await self._walk(run, resource, (deleted, *LIFTERS[resource]), take)
        except NotFilterableError as fault:
            _log.info("deleted ones are not shown apart", resource=resource, error=fault)

    async def _walk(self, run: Run, resource: str, filters: Sequence[str], take: Take) -> tuple[int, int | None]:
        """Reads a list to its end; how many different records there were, and should have been."""
        question = Question(f"/{resource}", resource, tuple(filters))
        counts = run.counts.setdefault(resource, Counts())
        ids, total, read = set[str](), None, 0
        async with walked(self._cliniko.pages(question), resource) as batches:
            async for batch in batches:
                before = self._work.published
                await take(batch)
                ids |= batch.ids
                total, read = batch.total, read + batch.count
                counts.read += batch.count
                counts.published += self._work.published - before
                self._note_nonsense(resource, batch, counts)
                await self._report(Progress(resource, read, total, self._work.published))
                await self._between()
        return len(ids), total

    async def _read_by_id(self, run: Run, resource: str, wanted: set[str], take: Take) -> None:
        """Reads records by id, hidden or not; `wanted` loses those that were found."""
        ids = sorted(wanted)
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = f"id:={','.join(ids[start : start + IDS_AT_ONCE])}"

            async def take_and_strike(batch: Batch) -> None:
                await take(batch)
                wanted.difference_update(batch.ids)

            try:
                await self._walk(run, resource, (some, *LIFTERS[resource]), take_and_strike)
            except NotFilterableError as fault:
                _log.warning("cannot be read by id", resource=resource, error=fault)

    def _note_nonsense(self, resource: str, batch: Batch, counts: Counts) -> None:
        for why, count in batch.nonsense.items():
            counts.skipped += count
            _log.warning(
                "records that make no sense were left out",
                organization_id=self._work.org,
                resource=resource,
                reason=why,
                count=count,
            )

    def _failed(self, run: Run, resource: str, fault: ClinikoError) -> None:
        _log.warning(
            "a list could not be read",
            organization_id=self._work.org,
            resource=resource,
            error=describe(fault),
        )
        run.failures.append(fault)
        if len(run.failures) > 1:
            raise fault

    async def _move(self, run: Run, resource: str, whole: bool) -> None:
        self._work.lease.check()
        full_run = run.full_run if whole else None
        await self._cursors.move(self._work.org, resource, since=run.since, full_run=full_run)


def _from(field_name: str, instant: int) -> str:
    return f"{field_name}:>={format_instant(instant // SECOND * SECOND)}"
