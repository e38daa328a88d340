"""What is held of a removed organization goes; what is told of it once it is back stays."""

import pytest

from outreach_tracker import purging
from outreach_tracker.handlers import create_follow_outreach
from outreach_tracker.purging import keep_purging, purge_removed
from shared.faults import TransientError
from unit.outreach_tracker.fakes import NOW, MemoryHistoryStore, Publisher, event, record


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        self.at += 1
        return self.at

    def monotonic(self) -> float:
        return 0.0


async def is_known(organization_id: str) -> bool:
    return True


async def test_only_removed_organizations_are_purged_and_only_of_what_came_before() -> None:
    store, clock = MemoryHistoryStore(), Clock()
    handle = create_follow_outreach(store, Publisher().publish_all, is_known, clock)
    other = event("e2")
    other["data"]["organization_id"] = "org_y"
    await handle([record(event("e1")), record(other)])

    async def removed() -> list[str]:
        await handle([record(event("e3", patient="p3"))])  # added again, just now
        return ["org_x"]

    await purge_removed(removed, store, clock)
    assert sorted(store.patients) == ["org_x:p3", "org_y:p1"]


async def test_indexes_are_created_once_however_often_it_purges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "PAUSE_SECONDS", 0)
    store, asked = MemoryHistoryStore(), 0

    async def removed() -> list[str]:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise TransientError("MongoDB is away")
        if asked == 5:
            raise ValueError("enough")
        return ["org_x"]

    with pytest.raises(ValueError, match="enough"):
        await keep_purging(removed, store, Clock())
    assert store.indexed == 1
