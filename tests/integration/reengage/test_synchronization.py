"""Asking for a synchronization; the ingestor is played by a thread that writes what it would."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reengage import synchronization


@contextmanager
def ingestor(stack: Any, *states: dict[str, Any]) -> Iterator[None]:
    """Serves the next request by setting it to one state after the other."""
    stack.runs("ingestor")
    requests = stack["reengage"]["sync_requests"]

    def serve() -> None:
        with requests.watch([{"$match": {"operationType": "insert"}}], max_await_time_ms=100) as changes:
            listening.set()
            (request_id,) = (change["documentKey"]["_id"] for change in _first(changes))
        for state in states:
            requests.update_one({"_id": request_id}, {"$set": state})

    listening = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    assert listening.wait(10)
    yield
    thread.join(10)


def _first(changes: Any) -> Iterator[Any]:
    while (change := changes.try_next()) is None:
        pass
    yield change


def progress(read: int) -> dict[str, Any]:
    return {"progress": {"resource": "patients", "read": read, "total": 10, "published": read}}


def test_a_request_is_left_for_the_ingestor(reengage: Any, org_a: str, stack: Any) -> None:
    stack.runs("ingestor")
    ran = reengage("sync", org_a, "--full", "--json")
    assert ran.status == 0
    (document,) = stack["reengage"]["sync_requests"].find()
    assert document == {
        "_id": ran.json["id"],
        "organization_id": org_a,
        "full": True,
        "requested_at": document["requested_at"],
        "state": "requested",
        "progress": {"resource": None, "read": 0, "total": None, "published": 0},
        "error": None,
    }


def test_waiting_returns_when_the_request_is_done(reengage: Any, org_a: str, stack: Any) -> None:
    with ingestor(stack, {"state": "running"} | progress(3), progress(10), {"state": "done"}):
        ran = reengage("sync", org_a, "--wait", "--json")
    assert ran.status == 0
    assert (ran.json["state"], ran.json["progress"]["published"]) == ("done", 10)
    assert "10 published" in ran.err


def test_a_request_that_failed_says_why(reengage: Any, org_a: str, stack: Any) -> None:
    with ingestor(stack, {"state": "failed", "error": "Cliniko refuses the key"}):
        ran = reengage("sync", org_a, "--wait")
    assert ran.status == 1
    assert "Cliniko refuses the key" in ran.err


def test_without_an_ingestor_nothing_is_asked_for(reengage: Any, org_a: str, stack: Any) -> None:
    ran = reengage("sync", org_a)
    assert ran.status == 1
    assert "no ingestor is running" in ran.err
    assert stack["reengage"]["sync_requests"].count_documents({}) == 0


def test_an_ingestor_that_goes_away_is_not_waited_for_for_ever(
    reengage: Any, org_a: str, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synchronization, "PATIENCE_WITHOUT_INGESTOR_SECONDS", 0.2)
    heard_of = iter([{"ingestor"}, {"ingestor"}])

    async def names(control: Any) -> set[str]:
        return next(heard_of, set())

    monkeypatch.setattr(synchronization, "names_of_running", names)
    ran = reengage("sync", org_a, "--wait")
    assert ran.status == 1
    assert "the synchronization waits: no ingestor" in ran.err
