"""What is done with appointments, classes and places in them, communications and recalls."""

from collections.abc import Collection, Mapping, Set
from typing import cast

from ingestor.compose import (
    APPOINTMENT,
    KIND_OF_RESOURCE,
    Fact,
    Names,
    NoFact,
    communication,
    individual,
    place,
    recall,
)
from ingestor.contacts import changed
from ingestor.decide import Published
from ingestor.ledger import Ledger, Work
from ingestor.records import (
    Attendee,
    Communication,
    GroupAppointment,
    IndividualAppointment,
    OfPatient,
    Recall,
)
from ingestor.walk import Batch


def _fact_of(record: OfPatient, names: Names) -> Fact | NoFact:
    if isinstance(record, IndividualAppointment):
        return individual(record, names)
    if isinstance(record, Communication):
        return communication(record)
    if isinstance(record, Recall):
        return recall(record)
    raise TypeError(record.resource)


async def take_own(work: Work, resource: str, batch: Batch) -> None:
    """Records were read of which each makes a fact by itself: the facts are told."""
    stored = await work.records.load(work.org, resource, batch.reads)
    ledger = work.ledger()
    for read, held in changed(batch, stored):
        record = cast("OfPatient", read.record)
        before = held.published if held else None
        if record.patient in work.erased:
            _let_go(ledger, record, before, read.read_at)
            continue
        fact = _fact_of(record, work.names)
        ledger.tell(record, KIND_OF_RESOURCE[resource], fact, before, read_at=read.read_at, fresh=True)
    await ledger.settle()


def _let_go(ledger: Ledger, record: OfPatient, before: Published | None, read_at: int) -> None:
    """The record names an erased patient now: it leaves who had it, and is not held."""
    kind = KIND_OF_RESOURCE[record.resource]
    ledger.tell(record, kind, NoFact.WITHDRAWN, before, read_at=read_at, fresh=False)
    ledger.drop(record)


async def take_classes(work: Work, batch: Batch) -> None:
    """Classes were read: all places in them are told anew."""
    stored = await work.records.load(work.org, "group_appointments", batch.reads)
    news = [read for read, _ in changed(batch, stored)]
    if not news:
        return
    classes = {read.record.id: read for read in news}
    ledger = work.ledger()
    places = await work.records.of_bookings(work.org, classes)
    for held in places.values():
        attendee = cast("Attendee", held.record)
        read = classes[attendee.booking or ""]
        fact = place(attendee, cast("GroupAppointment", read.record), work.names)
        ledger.tell(attendee, APPOINTMENT, fact, held.published, read_at=read.read_at, fresh=False)
    for read in news:
        ledger.hold(read.record, None, read_at=read.read_at)
    await ledger.settle()


async def take_attendees(work: Work, batch: Batch, *, seen: Set[str], since: int) -> set[str]:
    """Attendees were read: places in classes are told.

    Of individual appointments they make no fact and are not held: the appointment's own mark
    counts, though its `updated_at` may stand still when it is set. Returns the bookings that have
    to be read by id for that reason: those of attendees that changed at or after `since` and that
    were not `seen` in this run, or say otherwise; and those that are not known at all.
    """
    attendees = [cast("Attendee", read.record) for read in batch.reads.values()]
    bookings = {attendee.booking for attendee in attendees if attendee.booking is not None}
    classes = await _classes(work, bookings)
    loaded = await work.records.load(work.org, "individual_appointments", bookings - classes.keys())
    own = {each.id: each.record for each in loaded.values() if isinstance(each.record, IndividualAppointment)}
    stored = await work.records.load(work.org, "attendees", batch.reads)
    ledger = work.ledger()
    for read, held in changed(batch, stored):
        attendee = cast("Attendee", read.record)
        before = held.published if held else None
        if held is None and attendee.booking in own:
            continue
        if attendee.patient in work.erased:
            _let_go(ledger, attendee, before, read.read_at)
            continue
        fact = place(attendee, classes.get(attendee.booking or ""), work.names)
        if fact is NoFact.UNTOLD and _has_moved(attendee, before):
            fact = NoFact.WITHDRAWN
        ledger.tell(attendee, APPOINTMENT, fact, before, read_at=read.read_at, fresh=True)
    await ledger.settle()
    return {
        attendee.booking
        for attendee in attendees
        if attendee.booking is not None
        and attendee.booking not in classes
        and _is_to_be_read(attendee, own.get(attendee.booking), seen, since)
    }


def _is_to_be_read(attendee: Attendee, held: IndividualAppointment | None, seen: Set[str], since: int) -> bool:
    if held is None:
        return True
    if attendee.updated_at < since:
        return False
    marks = (attendee.arrived is True, attendee.arrived is False)
    return held.id not in seen or marks != (held.arrived, held.did_not_arrive)


def _has_moved(attendee: Attendee, before: Published | None) -> bool:
    """Whether the attendee names another booking now than the class of which it was told."""
    if before is None or attendee.booking is None:
        return False
    return any(not fact.startswith(f"{attendee.booking}/") for fact, _ in before.places)


async def _classes(work: Work, bookings: Collection[str]) -> dict[str, GroupAppointment]:
    held = await work.records.load(work.org, "group_appointments", bookings)
    return {each.id: cast("GroupAppointment", each.record) for each in held.values()}


async def rename(work: Work, called: Mapping[str, Collection[str]], *, read_at: int) -> None:
    """Types, practitioners or businesses (ids by resource) are called differently now.

    All appointments and places that name them are told anew.
    """
    fields = {
        "type": called.get("appointment_types", ()),
        "practitioner": called.get("practitioners", ()),
        "business": called.get("businesses", ()),
    }
    org = work.org
    async for held in work.records.naming(org, "individual_appointments", fields):
        ledger = work.ledger()
        for each in held.values():
            appointment = cast("IndividualAppointment", each.record)
            fact = individual(appointment, work.names)
            ledger.tell(appointment, APPOINTMENT, fact, each.published, read_at=read_at, fresh=False)
        await ledger.settle()
    async for classes in work.records.naming(org, "group_appointments", fields):
        ledger = work.ledger()
        for each in (await work.records.of_bookings(org, classes)).values():
            attendee = cast("Attendee", each.record)
            group = cast("GroupAppointment", classes[attendee.booking or ""].record)
            fact = place(attendee, group, work.names)
            ledger.tell(attendee, APPOINTMENT, fact, each.published, read_at=read_at, fresh=False)
        await ledger.settle()
