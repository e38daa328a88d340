"""A full load did not list patients that are known: erased, or only out of sight?"""

from collections.abc import Collection, Set

from ingestor.cliniko import Cliniko
from ingestor.contacts import erase
from ingestor.errors import SuspiciousLossError
from ingestor.ledger import Work
from shared.logs import log_of

LIFT_ARCHIVED = ("archived_at:*",)

TOO_MANY = 20
TOO_MANY_SHARE = 0.05
"""More than both together nobody erases between two full loads without a word in the list of
deleted ones: rather the user of the API key may see fewer patients than before."""

FEW = 2
HALF = 0.5
"""Nor, in a small clinic, more than a few that are most of all."""

_log = log_of("losses")


def is_suspicious(missing: int, known: int) -> bool:
    """Whether so many missing patients look like a lost permission."""
    if missing > TOO_MANY and missing > known * TOO_MANY_SHARE:
        return True
    return missing > FEW and missing > known * HALF


async def check_losses(cliniko: Cliniko, work: Work, missing: Collection[str], *, known: int, seen: Set[str]) -> None:
    """Reads each missing patient by id: 404 means erased, all else nothing.

    Raises SuspiciousLossError, and touches nothing, when there are too many, or when a patient
    who was listed just now cannot be read by id either.
    """
    if not missing:
        return
    if is_suspicious(len(missing), known):
        raise SuspiciousLossError(
            f"Cliniko no longer lists {len(missing)} of {known} patients: may the API key's user"
            " still see all of them? Nothing was changed. If they were really deleted, remove the"
            " organization and add it again"
        )
    gone = []
    for patient in sorted(missing):
        read_at = work.clock.now()
        if await cliniko.record("patients", patient, LIFT_ARCHIVED) is None:
            gone.append(patient)
    if not gone:
        return
    witness = min(seen, default=None)
    if witness is not None and await cliniko.record("patients", witness, LIFT_ARCHIVED) is None:
        raise SuspiciousLossError("Cliniko gives 404 for patients whom it lists")
    erased = await erase(work, [(patient, None) for patient in gone], read_at=read_at)
    _log.info("patients were erased in Cliniko", organization_id=work.org, count=erased)
