"""Which dead letters wait for somebody, and which are left alone because their clinic was removed."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from reengage import letters
from reengage.control import Control
from reengage.letters import Letter
from reengage.offsets import Kafka
from reengage.organizations import load_all
from shared.earlier_clinics import REASON, organization_of
from shared.organizations import Organization

OF_A_REMOVED_CLINIC = "of a clinic that was removed"
OF_AN_EARLIER_CLINIC = "of a clinic that had its organization's id before"


class RemovedClinics:
    """The organizations that were removed, and those whose id another clinic had before."""

    def __init__(self, organizations: Iterable[Organization]) -> None:
        self._removed: set[str] = set()
        self._again: dict[str, datetime] = {}
        for organization in organizations:
            if organization.removed_at is not None:
                self._removed.add(organization.id)
            elif organization.added_again_at is not None:
                self._again[organization.id] = organization.added_again_at

    def __bool__(self) -> bool:
        """Whether there can be a letter that is left alone."""
        return bool(self._removed or self._again)

    def why_left_alone(self, letter: Letter) -> str | None:
        """Why nobody has to care for the letter, and it is never replayed; None: it waits for somebody.

        Its key names the organization, as for the services (`shared.earlier_clinics`); one whose key names none waits.
        """
        organization_id = organization_of(letter.key)
        if organization_id in self._removed:
            return OF_A_REMOVED_CLINIC
        since = self._again.get(organization_id)
        if since is not None and (letter.at < since or letter.error == f"InvalidEvent: {REASON}"):
            return OF_AN_EARLIER_CLINIC
        return None


async def removed_clinics(control: Control) -> RemovedClinics:
    """As they are stored now."""
    return RemovedClinics(await load_all(control, removed_too=True))


class Tally(NamedTuple):
    """How many letters there are that were not replayed."""

    waiting: int
    left_alone: int


async def tally(control: Control, kafka: Kafka) -> Tally:
    """Counts by offsets alone where that says it: reading all letters takes a while when there are many."""
    replays = await letters.replays(control)
    removed = await removed_clinics(control)
    open_ones = await letters.count_open(kafka, replays)
    if not open_ones or not removed:
        return Tally(open_ones, 0)
    counts: Counter[bool] = Counter()
    async for letter in letters.read(kafka, letters.TOPIC_NAMES):
        if letter.id not in replays:
            counts[removed.why_left_alone(letter) is None] += 1
    return Tally(counts[True], counts[False])
