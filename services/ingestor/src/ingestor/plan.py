"""What one synchronization is to read: of which list, from when on, and what lists hide."""

from dataclasses import dataclass, field

from ingestor.errors import ClinikoError
from ingestor.store.state import Cursor
from rules.instants import SECOND, format_instant

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

UNDOCUMENTED = ("recalls",)
"""Lists of which it is not known by what they can be filtered: 400 is no error there."""

MAY_BE_ABSENT = ("recalls", "referral_sources")
"""Lists that an account may not have: then they answer 404, and there is nothing to follow."""


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


def changed_since(field_name: str, instant: int) -> str:
    """The filter for what changed at or after an instant, by a field of Cliniko's."""
    return f"{field_name}:>={format_instant(instant // SECOND * SECOND)}"
