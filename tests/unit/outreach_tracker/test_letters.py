"""Which process deletes the letters of the erased, and what it remembers of it."""

from collections.abc import Collection

import pytest

from outreach_tracker import letters
from outreach_tracker.letters import keep_purging_letters, purge_letters
from shared.faults import TransientError


class Erased:
    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)

    async def with_letters(self) -> list[str]:
        return list(self.keys)

    async def letters_deleted(self, keys: Collection[str]) -> None:
        self.keys = [key for key in self.keys if key not in keys]


class Purge:
    """Fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.asked: list[set[str]] = []

    async def __call__(self, keys: Collection[str]) -> None:
        self.asked.append(set(keys))
        if self.failures:
            self.failures -= 1
            raise TransientError("Kafka is away")


async def test_letters_are_deleted_of_all_at_once_and_then_no_more() -> None:
    erased, purge = Erased("o:1", "o:2"), Purge()
    for _ in range(3):
        await purge_letters(erased, purge, lambda: True)
    assert purge.asked == [{"o:1", "o:2"}]
    assert erased.keys == []


async def test_who_is_not_at_home_leaves_it_to_another() -> None:
    erased, purge = Erased("o:1"), Purge()
    await purge_letters(erased, purge, lambda: False)
    assert (purge.asked, erased.keys) == ([], ["o:1"])


async def test_a_fault_that_passes_leaves_it_to_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(letters, "FAULT_PAUSE_SECONDS", 0)
    erased, purge, looked = Erased("o:1"), Purge(failures=2), 0

    def is_ours() -> bool:
        nonlocal looked
        looked += 1
        if looked > 5:
            raise ValueError("enough")
        return True

    with pytest.raises(ValueError, match="enough"):
        await keep_purging_letters(erased, purge, is_ours)
    assert purge.asked == [{"o:1"}] * 3
    assert erased.keys == []
