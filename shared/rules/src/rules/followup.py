"""By when a patient ought to be seen again: a recall, the own rhythm, or what the clinic has set."""

from itertools import pairwise
from typing import TYPE_CHECKING

from rules.facts import Recall

if TYPE_CHECKING:
    from rules.view import View

RECALL_ANSWERED_DAYS_BEFORE = 14
MISSED_FOLLOWUP_DAYS = 28
DAYS_FOR_OWN_RHYTHM = 3


def followup_day(view: "View") -> int | None:
    """The local day by which a follow-up is due, if there is any reason for one."""
    if view.facts.recalls and (recalled := open_recall_day(view)) is not None:
        return recalled
    last = view.last_attended
    if last is not None:
        days = view.attended_days
        if len(days) >= DAYS_FOR_OWN_RHYTHM:
            return days[-1] + median_gap(days)
        return days[-1] + view.settings.followup_after(last.type)
    if view.last_missed_day is not None:
        return view.last_missed_day + MISSED_FOLLOWUP_DAYS
    return None


def open_recall_day(view: "View") -> int | None:
    """The earliest day of a recall that no attended appointment has answered."""
    return min((r.due_on for r in view.recalls if not _answered(view, r)), default=None)


def _answered(view: "View", recall: Recall) -> bool:
    first_day = recall.due_on - RECALL_ANSWERED_DAYS_BEFORE
    return any(a.starts_at > recall.created_at and view.calendar.day(a.starts_at) >= first_day for a in view.attended)


def median_gap(days: list[int]) -> int:
    """Median of the gaps between consecutive days; half days round up."""
    gaps = sorted(b - a for a, b in pairwise(days))
    middle = len(gaps) // 2
    if len(gaps) % 2:
        return gaps[middle]
    return (gaps[middle - 1] + gaps[middle] + 1) // 2
