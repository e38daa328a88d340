"""What happens with a batch of outreach events, with a store and a broker that fail."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach_tracker.handlers import LostRaceError, create_follow_outreach
from outreach_tracker.store import Change
from shared.consumer import Handler
from shared.events import OUTCOMES
from shared.faults import TransientError
from unit.outreach_tracker.fakes import (
    NOW,
    ORGANIZATION,
    MemoryHistoryStore,
    Publisher,
    event,
    record,
    treatment,
)


class Clock:
    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0


async def is_known(organization_id: str) -> bool:
    return organization_id == ORGANIZATION


def tracker(store: MemoryHistoryStore | None = None) -> tuple[Handler, Publisher, MemoryHistoryStore]:
    publisher = Publisher()
    store = store or MemoryHistoryStore()
    return create_follow_outreach(store, publisher.publish_all, is_known, Clock()), publisher, store


async def test_a_message_is_published_with_all_that_is_known_of_it() -> None:
    handle, publisher, _ = tracker()
    assert await handle([record(event("e1")), record(event("e2", at=1, outcome="delivered"))]) == []
    assert await handle([record(event("e3", at=2, outcome="responded"))]) == []
    assert [[one["outcome"] for one in data["events"]] for data in publisher.data] == [
        ["sent", "delivered"],
        ["sent", "delivered", "responded"],
    ]
    assert [data["revision"] for data in publisher.data] == [1, 2]


async def test_what_comes_again_changes_nothing_and_is_published_again_as_it_was() -> None:
    handle, publisher, store = tracker()
    batch = [record(event("e1")), record(treatment("t1"))]
    await handle(batch)
    before = dict(store.patients)
    await handle(batch)
    assert store.patients == before
    assert publisher.records[:2] == publisher.records[2:]


async def test_an_event_that_moves_to_another_message_leaves_the_first() -> None:
    handle, publisher, _ = tracker()
    await handle([record(event("e1", at=5, message="m1"))])
    await handle([record(event("e1", at=4, message="m2"))])
    states = publisher.states()
    assert states["p1", "sms", "m1"] == []
    assert [one["event_id"] for one in states["p1", "sms", "m2"]] == ["e1"]


async def test_a_move_is_healed_when_the_service_died_before_it_was_published() -> None:
    handle, publisher, _ = tracker()
    await handle([record(event("e1", at=5, message="m1"))])
    publisher.failures = 1
    moved = [record(event("e1", at=4, message="m2"))]
    with pytest.raises(TransientError):
        await handle(moved)
    await handle(moved)
    assert publisher.states()["p1", "sms", "m1"] == []


async def test_bad_events_are_set_aside_and_the_rest_goes_on() -> None:
    handle, publisher, _ = tracker()
    foreign: dict[str, Any] = event("e1")
    foreign["data"]["organization_id"] = "org_y"
    batch = [
        record(b"{"),
        record(event("e1"), key=b"org_x:p2"),
        record(foreign),
        record(event("e2")),
        record(json.dumps(event("e3")).encode(), key=None),
        record(event("e4", at=3_600_000_001)),
    ]
    dead = await handle(batch)
    assert [batch.index(letter.record) for letter in dead] == [0, 1, 2, 4, 5]
    assert [letter.error for letter in dead] == [
        "InvalidEvent: /: not JSON",
        "InvalidEvent: /: the record's key is not organization_id:patient_id of the data",
        "InvalidEvent: unknown organization",
        "InvalidEvent: /: the record's key is not organization_id:patient_id of the data",
        "InvalidEvent: /time: lies more than one hour ahead of the record's Kafka timestamp",
    ]
    assert not any(letter.unexpected for letter in dead)
    assert list(publisher.states()) == [("p1", "sms", "m1")]


async def test_tombstones_are_ignored() -> None:
    handle, publisher, _ = tracker()
    assert await handle([record(event("e1"))._replace(value=None)]) == []
    assert publisher.records == []


async def test_a_record_without_a_timestamp_counts_from_its_reading() -> None:
    handle, _, _ = tracker()
    assert await handle([record(event("e1"))._replace(timestamp=-1_000)]) == []


class Contested(MemoryHistoryStore):
    """Another process writes each patient between our reading and our writing, some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.rival, _, _ = tracker(rival := MemoryHistoryStore())
        self.patients = rival.patients

    async def save(self, changes: Sequence[Change]) -> set[str]:
        if self.times:
            self.times -= 1
            await self.rival([record(event(f"rival{self.times}", at=9))])
        return await super().save(changes)


async def test_two_owners_lose_nothing() -> None:
    handle, publisher, store = tracker(Contested(times=3))
    await handle([record(event("e1"))])
    told = publisher.states()["p1", "sms", "m1"]
    assert {one["event_id"] for one in told} == {"e1", "rival0", "rival1", "rival2"}
    assert store.patients["org_x:p1"].revision == 4


async def test_a_race_that_never_ends_is_a_transient_fault() -> None:
    handle, _, _ = tracker(Contested(times=1_000))
    with pytest.raises(LostRaceError):
        await handle([record(event("e1"))])


told = st.lists(
    st.builds(
        event,
        st.sampled_from(["e1", "e2", "e3"]),
        patient=st.sampled_from(["p1", "p2"]),
        at=st.integers(0, 3),
        outcome=st.sampled_from(OUTCOMES["sms"]),
        message=st.sampled_from(["m1", "m2"]),
    )
    | st.builds(treatment, st.sampled_from(["e1", "t1"]), at=st.integers(0, 3)),
    min_size=1,
    max_size=10,
)


class Forgetful(MemoryHistoryStore):
    """Fails before having stored, or after it: then the answer is lost."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance

    async def save(self, changes: Sequence[Change]) -> set[str]:
        when = self.chance.choice(["before", "after", "never", "never"])
        if when == "before":
            raise TransientError("MongoDB is away")
        lost = await super().save(changes)
        if when == "after":
            raise TransientError("MongoDB is away")
        return lost


@given(told, st.integers(0, 2**32))
async def test_the_published_states_are_the_same_whatever_fails_and_comes_again(
    events: list[dict[str, Any]], seed: int
) -> None:
    clean, expected, _ = tracker()
    await clean([record(one) for one in events])

    chance = Random(seed)
    handle, publisher, _ = tracker(Forgetful(chance))
    left = chance.sample(events, len(events)) + chance.choices(events, k=chance.randrange(4))
    while left:
        size = chance.randint(1, len(left))
        publisher.failures = chance.randint(0, 1)
        try:
            await handle([record(one) for one in left[:size]])
        except TransientError:
            continue
        again = chance.randint(0, size - 1)  # a rebalance: some of them were not committed
        left = left[size - again :]
    assert publisher.states() == expected.states()
