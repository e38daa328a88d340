"""Synchronizes one organization: which lists are read, in which order, and what is done with them.

A full load reads every list whole; otherwise what changed since the list's cursor. Cursors move to
the begin of the run, by Cliniko's clock, less an overlap: time stamps have whole seconds, and
reads may come out of a cache.
"""

from collections.abc import Awaitable, Callable

from ingestor import bookings, contacts
from ingestor.cliniko import Cliniko, Question
from ingestor.errors import NotFilterableError, NotThereError, UnavailableError
from ingestor.fields import UntranslatableError
from ingestor.ledger import Work, recover
from ingestor.lists import Lists, Report, nothing_between
from ingestor.losses import check_losses
from ingestor.names import read_names
from ingestor.plan import Counts, Run, changed_since
from ingestor.store.state import CursorStore
from ingestor.translate import deleted_patient
from ingestor.walk import Batch
from rules.instants import SECOND
from shared.logs import log_of

_log = log_of("sync")


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
        await recover(work)
        await read_names(self._cliniko, work)
        server_time = self._cliniko.server_time
        # The earlier of two clocks: to read twice is harmless.
        run.since = min(began_at, began_at if server_time is None else server_time) - self._overlap
        lists = Lists(self._cliniko, work, self._cursors, run, report=self._report, between=self._between)
        await self._follow_deleted_patients(lists, run)
        await self._follow_contacts(lists, run)
        await self._follow_bookings(lists, run)
        for resource in ("communications", "recalls"):
            await lists.follow(resource, self._take_own(resource))
        if run.failures:
            raise run.failures[0]
        return run

    async def _follow_deleted_patients(self, lists: Lists, run: Run) -> None:
        resource = "deleted_patients"
        whole = run.reads_whole(resource)
        filters = () if whole else (changed_since("deleted_at", run.cursors[resource].since),)
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
                counts.published += await contacts.erase(self._work, deletions, read_at=page.read_at)
        except (NotThereError, NotFilterableError) as fault:
            _log.info("no list of deleted patients", organization_id=self._work.org, error=fault)
        except UnavailableError as fault:
            lists.note_failure(resource, fault)
        else:
            await lists.move(resource)

    async def _follow_contacts(self, lists: Lists, run: Run) -> None:
        """Parts first: then a new patient's contact is whole when it is told."""
        work, seen = self._work, set[str]()
        for resource in contacts.PARTS:

            async def take_parts(batch: Batch, resource: str = resource) -> None:
                await contacts.take_parts(work, resource, batch)

            await lists.follow(resource, take_parts)
        whole = run.reads_whole("patients")
        known = await work.records.ids_of(work.org, "patients") if whole else set[str]()

        async def take_patients(batch: Batch) -> None:
            if whole:
                seen.update(batch.ids)
            await contacts.take_patients(work, batch)

        async def check() -> None:
            missing = {patient for patient in known - seen if patient not in work.erased}
            await check_losses(self._cliniko, work, missing, known=len(known), seen=seen)

        await lists.follow("patients", take_patients, and_then=check if whole else None)

    async def _follow_bookings(self, lists: Lists, run: Run) -> None:
        """Classes and appointments first: then it is known what an attendee is one of."""
        work, own = self._work, "individual_appointments"
        seen, pending = set[str](), set[str]()
        marked_since = self._marked_since(run)
        take_own = self._take_own(own)

        async def take_classes(batch: Batch) -> None:
            await bookings.take_classes(work, batch)

        async def take_appointments(batch: Batch) -> None:
            await take_own(batch)
            seen.update(batch.ids)

        async def take_attendees(batch: Batch) -> None:
            pending.update(await bookings.take_attendees(work, batch, seen=seen, since=marked_since))

        async def read_pending() -> None:
            await lists.read_by_id(own, pending, take_appointments)
            await lists.read_by_id("group_appointments", pending, take_classes)

        classes_known = await lists.follow("group_appointments", take_classes)
        if await lists.follow(own, take_appointments) and classes_known:
            await lists.follow("attendees", take_attendees, and_then=read_pending)

    def _marked_since(self, run: Run) -> int:
        """From when on an attendee's mark may be news to its appointment.

        Of those who only now changed any; read whole, those that changed since the appointments
        began to be read whole.
        """
        if not run.reads_whole("attendees"):
            return 0
        appointments = run.cursors.get("individual_appointments")
        read_whole_at = run.full_run or (appointments.full_run if appointments else None) or 0
        return read_whole_at - self._overlap

    def _take_own(self, resource: str) -> Callable[[Batch], Awaitable[None]]:
        async def take(batch: Batch) -> None:
            await bookings.take_own(self._work, resource, batch)

        return take
