"""When an organization is synchronized, and wholly or not."""

from typing import Any

import pytest

from ingestor.due import Due, Pace, answers, due
from ingestor.losses import is_suspicious
from ingestor.store.requests import SyncRequest
from ingestor.store.state import FullRun, Status

SECOND = 1_000_000
NOW = 1_000_000 * SECOND
PACE = Pace(interval=300, full_interval=86_400, stopped_retry=3_600)


def ago(seconds: float) -> int:
    return NOW - round(seconds * SECOND)


def a_status(**fields: Any) -> Status:
    usual = {
        "state": "ok",
        "last_started_at": ago(100),
        "last_ended_at": ago(90),
        "last_sync_time": ago(90),
        "last_full_sync_time": ago(1_000),
        "stored_key": "k",
    }
    return Status(**{**usual, **fields})


def what(status: Status | None, *, requested: bool = False, full: bool = False, stored_key: str = "k") -> Due:
    return due(status, PACE, now=NOW, stored_key=stored_key, requested=requested, requested_full=full)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Due.ALL),
        (a_status(), Due.NOTHING),
        (a_status(last_started_at=ago(299)), Due.NOTHING),
        (a_status(last_started_at=ago(300)), Due.CHANGES),
        (a_status(last_started_at=ago(300), last_full_sync_time=None), Due.ALL),
        (a_status(last_started_at=ago(300), last_full_sync_time=ago(86_399)), Due.CHANGES),
        (a_status(last_started_at=ago(300), last_full_sync_time=ago(86_400)), Due.ALL),
        (a_status(last_started_at=ago(10), last_full_sync_time=ago(86_400)), Due.NOTHING),
        (a_status(state="syncing", last_started_at=ago(1)), Due.CHANGES),
        (a_status(state="syncing", last_full_sync_time=None), Due.ALL),
        (a_status(state="never", last_started_at=None, last_full_sync_time=None), Due.ALL),
        (a_status(state="failing", failures=1, last_ended_at=ago(4)), Due.NOTHING),
        (a_status(state="failing", failures=1, last_ended_at=ago(5)), Due.CHANGES),
        (a_status(state="failing", failures=3, last_ended_at=ago(19)), Due.NOTHING),
        (a_status(state="failing", failures=3, last_ended_at=ago(20)), Due.CHANGES),
        (a_status(state="failing", failures=900, last_ended_at=ago(299)), Due.NOTHING),
        (a_status(state="failing", failures=900, last_ended_at=ago(300)), Due.CHANGES),
        (a_status(state="stopped", last_ended_at=ago(3_599)), Due.NOTHING),
        (a_status(state="stopped", last_ended_at=ago(3_600)), Due.CHANGES),
        (a_status(state="stopped", stored_key="old", last_ended_at=ago(1)), Due.CHANGES),
    ],
)
def test_without_anybody_asking(status: Status | None, expected: Due):
    assert what(status) is expected


@pytest.mark.parametrize("state", ["ok", "stopped", "failing", "syncing"])
def test_who_asks_is_served_at_once_in_every_state(state: Any):
    assert what(a_status(state=state), requested=True) is Due.CHANGES
    assert what(a_status(state=state), requested=True, full=True) is Due.ALL


@pytest.mark.parametrize(
    ("run", "again", "expected"),
    [
        (FullRun(NOW), False, True),
        (FullRun(NOW - 1), False, False),
        (FullRun(NOW, again=True), False, True),
        (FullRun(NOW), True, False),
        (FullRun(NOW, again=True), True, True),
        (FullRun(NOW - 1, again=True), True, False),
    ],
)
def test_a_full_load_answers_who_asked_before_it_began(run: FullRun, again: bool, expected: bool):
    assert answers(run, SyncRequest("r", "org_a", True, NOW, again)) is expected


@pytest.mark.parametrize(
    ("missing", "known", "expected"),
    [
        (20, 20, True),
        (20, 100, False),
        (21, 100, True),
        (21, 419, True),
        (21, 420, False),
        (100, 62_299, False),
        (2, 2, False),
        (2, 3, False),
        (3, 5, True),
        (3, 6, False),
        (0, 0, False),
    ],
)
def test_more_missing_patients_than_anybody_erases_are_suspicious(missing: int, known: int, expected: bool):
    assert is_suspicious(missing, known) is expected
