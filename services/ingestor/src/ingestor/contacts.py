"""What is done with patients, and with what is part of their contact."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from ingestor.compose import CONTACT, contact
from ingestor.decide import Told, erased
from ingestor.ledger import Ledger, Work
from ingestor.records import Part, Patient, ReferralSource
from ingestor.store.documents import Stored
from ingestor.walk import Batch, Read

PARTS = ("medical_alerts", "patient_cases", "referral_sources")


def changed(batch: Batch, stored: dict[str, Stored]) -> list[tuple[Read, Stored | None]]:
    """The reads that are news: not what is held already (unless that is in doubt), nor older than it."""
    news = []
    for record_id, read in batch.reads.items():
        held = stored.get(record_id)
        known = held.record if held is not None else None
        in_doubt = held is not None and held.published is not None and held.published.in_doubt
        if known is None or (read.record.updated_at >= known.updated_at and (in_doubt or read.record != known)):
            news.append((read, held))
    return news


async def take_parts(work: Work, resource: str, batch: Batch) -> None:
    """Alerts, cases or referral sources were read: their patients' contacts are told anew."""
    stored = await work.records.load(work.org, resource, batch.reads)
    news = changed(batch, stored)
    if not news:
        return
    ledger = work.ledger()
    touched: dict[str, int] = {}
    fresh: list[Part] = []
    for read, held in news:
        part = cast("Part", read.record)
        before = cast("Part | None", held.record if held else None)
        for named in (part.patient, before.patient if before else None):
            if named is not None and named not in work.erased:
                touched[named] = max(read.read_at, touched.get(named, 0))
        if part.patient in work.erased:
            ledger.drop(part)
        else:
            fresh.append(part)
            ledger.hold(part, None, read_at=read.read_at)
    await _tell_again(work, ledger, touched, fresh)
    await ledger.settle()


async def _tell_again(work: Work, ledger: Ledger, touched: Mapping[str, int], fresh: Collection[Part]) -> None:
    """Tells the contacts of patients of which a part was read, at an instant, if they are known."""
    patients = await work.records.load(work.org, "patients", touched)
    parts = await _parts_of(work, patients, fresh)
    for held in patients.values():
        if held.record is not None:
            patient = cast("Patient", held.record)
            fact = contact(patient, parts[patient.id], work.names)
            ledger.tell(patient, CONTACT, fact, held.published, read_at=touched[patient.id], fresh=False)


async def take_patients(work: Work, batch: Batch) -> None:
    """Patients were read: their contacts are told."""
    stored = await work.records.load(work.org, "patients", batch.reads)
    news = [(read, held) for read, held in changed(batch, stored) if read.record.id not in work.erased]
    if not news:
        return
    parts = await _parts_of(work, [read.record.id for read, _ in news], ())
    ledger = work.ledger()
    for read, held in news:
        patient = cast("Patient", read.record)
        fact = contact(patient, parts[patient.id], work.names)
        before = held.published if held else None
        ledger.tell(patient, CONTACT, fact, before, read_at=read.read_at, fresh=True)
    await ledger.settle()


async def _parts_of(work: Work, patients: Collection[str], fresh: Iterable[Part]) -> dict[str, list[Part]]:
    """The parts of each patient's contact as they are now: those held, and the fresh ones."""
    held = await work.records.parts_of(work.org, list(patients))
    by_id = {(part.resource, part.id): part for part in [*held, *fresh]}
    parts: dict[str, list[Part]] = defaultdict(list)
    for part in by_id.values():
        if part.patient is not None:
            parts[part.patient].append(part)
    return parts


async def rename_referral_sources(work: Work, types: Collection[str], *, read_at: int) -> None:
    """Types of referral sources are called differently: contacts that name them are told anew."""
    found = work.records.naming(work.org, "referral_sources", {"type": types})
    async for sources in found:
        named = {
            source.patient: read_at
            for each in sources.values()
            if isinstance(source := each.record, ReferralSource) and source.patient is not None
        }
        ledger = work.ledger()
        await _tell_again(work, ledger, named, ())
        await ledger.settle()


async def erase(work: Work, deletions: Sequence[tuple[str, int | None]], *, read_at: int) -> int:
    """Patients (with the instant of deletion, where known) are erased for good: told once each.

    Who was merged into one of them is the same person, and erased with them. Nothing is held of
    them afterwards but markers. Returns how many were news.
    """
    erased_at = {
        patient: read_at if deleted_at is None else deleted_at
        for patient, deleted_at in deletions
        if patient not in work.erased
    }
    if erased_at:
        held = await work.records.load(work.org, "patients", erased_at)
        merged = await work.records.merged_into(work.org, erased_at)
        erased_at |= {patient: max(erased_at.values()) for patient in merged if patient not in work.erased}
        await work.publish(
            [_erasure(work, patient, at, (held | merged).get(patient), read_at) for patient, at in erased_at.items()]
        )
        work.lease.check()
    await work.records.erase(work.org, erased_at)
    work.erased.add(erased_at)
    return len(erased_at)


def _erasure(work: Work, patient: str, erased_at: int, held: Stored | None, read_at: int) -> Told:
    """The event; no version that was told of the patient is newer."""
    told = [each.updated_at for each in ((held.record, held.published) if held else ()) if each is not None]
    return erased(work.org, patient, erased_at=erased_at, updated_at=max([erased_at, *told]), read_at=read_at)
