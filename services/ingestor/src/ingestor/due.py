"""Is it time to synchronize an organization, and wholly or only what changed?"""

from dataclasses import dataclass
from enum import Enum

from ingestor.store.requests import SyncRequest
from ingestor.store.state import FullRun, Status
from rules.instants import SECOND

FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 300.0
"""After failures: doubled each time, and never longer than the usual interval."""


class Due(Enum):
    """What is to be done."""

    NOTHING = "nothing"
    CHANGES = "changes"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds."""

    interval: float
    full_interval: float
    stopped_retry: float


def due(
    status: Status | None,
    pace: Pace,
    *,
    now: int,
    stored_key: str,
    requested: bool,
    requested_full: bool,
) -> Due:
    """What is to be done at an instant by the last status; None: the organization is new.

    A status `syncing` says that whoever was at it died: nobody else can be, for whom this is asked.
    """
    if status is None:
        return Due.ALL
    last_full = status.last_full_sync_time
    full_is_due = last_full is None or now - last_full >= pace.full_interval * SECOND
    if requested:
        return Due.ALL if requested_full or full_is_due else Due.CHANGES
    if now < next_at(status, pace, stored_key=stored_key):
        return Due.NOTHING
    return Due.ALL if full_is_due else Due.CHANGES


def answers(run: FullRun, request: SyncRequest) -> bool:
    """Whether going on with a full load, instead of beginning a new one, does what was asked for.

    It has to have begun after it was asked for, else it may have read a list before.
    """
    return run.began_at >= request.requested_at and (run.again or not request.again)


def next_at(status: Status, pace: Pace, *, stored_key: str) -> int:
    """The instant of the next synchronization that nobody has to ask for."""
    started_at, ended_at = status.last_started_at, status.last_ended_at
    if status.state in ("never", "syncing") or started_at is None or ended_at is None:
        return 0
    if status.state == "stopped":
        same_key = status.stored_key == stored_key
        return ended_at + round(pace.stopped_retry * SECOND) if same_key else 0
    if status.state == "failing":
        return ended_at + round(_retry_seconds(status.failures, pace.interval) * SECOND)
    return started_at + round(pace.interval * SECOND)


def _retry_seconds(failures: int, interval: float) -> float:
    doubled = FIRST_RETRY_SECONDS * 2.0 ** min(max(failures - 1, 0), 10)
    return min(doubled, LONGEST_RETRY_SECONDS, interval)
