"""Nothing is kept of who was erased, and nothing that comes later is taken in."""

import asyncio
from collections.abc import Collection

import orjson
import pytest

from outreach_tracker.erasures import create_heed_erasures
from outreach_tracker.handlers import create_follow_outreach
from shared.consumer import DeadLetter, Handler, Record
from shared.faults import TransientError
from shared.kafka import Outgoing
from shared.topics import CONTACTS, OUTREACH_EVENTS, OUTREACH_MESSAGES
from unit.outreach_tracker.fakes import NOW, ORGANIZATION, MemoryHistoryStore, Publisher, event, record

ERASED_KEY, OTHER_KEY = f"{ORGANIZATION}:p1", f"{ORGANIZATION}:p2"
TOMBSTONES = {(topic, ERASED_KEY.encode()) for topic in (OUTREACH_EVENTS, OUTREACH_MESSAGES)}


class Clock:
    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class MemoryErasures:
    """Markers, and the histories that go; `soon` are erased by another process once somebody asks."""

    def __init__(self, store: MemoryHistoryStore) -> None:
        self._store = store
        self.marked: set[str] = set()
        self.soon: set[str] = set()

    async def erased(self, keys: Collection[str]) -> set[str]:
        found = set(keys) & self.marked
        self.marked |= self.soon
        return found

    async def erase(self, organization_id: str, keys: Collection[str]) -> None:
        self.marked |= set(keys)
        await self.forget(keys)

    async def forget(self, keys: Collection[str]) -> None:
        for key in keys:
            self._store.patients.pop(key, None)


def erasure(patient: str = "p1", organization: str = ORGANIZATION) -> Record:
    version = {"updated_at": NOW, "read_at": NOW}
    data = {"organization_id": organization, "patient_id": patient, "version": version, "erased_at": NOW}
    envelope = {"specversion": "1.0", "id": "1", "source": "/ingestor", "type": "contact.erased.v1", "time": NOW}
    key = f"{organization}:{patient}".encode()
    return Record(CONTACTS, 0, 0, key, orjson.dumps(envelope | {"data": data}), (), NOW)


class Tracker:
    def __init__(self) -> None:
        self.store, self.publisher = MemoryHistoryStore(), Publisher()
        self.erasures = MemoryErasures(self.store)
        follow = create_follow_outreach(self.store, self.publisher.publish_all, is_known, Clock())
        self._handle: Handler = create_heed_erasures(follow, self.erasures, self.publisher.publish_all, is_known)

    def handle(self, *records: Record) -> list[DeadLetter]:
        return list(asyncio.run(self._run(records)))

    async def _run(self, records: tuple[Record, ...]) -> list[DeadLetter]:
        return list(await self._handle(records))

    @property
    def tombstones(self) -> list[Outgoing]:
        return [each for each in self.publisher.records if each.value is None]


async def is_known(organization_id: str) -> bool:
    return organization_id == ORGANIZATION


def test_an_erasure_deletes_the_history_and_leaves_tombstones() -> None:
    tracker = Tracker()
    tracker.handle(record(event("e1")), record(event("e2", patient="p2")))
    assert tracker.handle(erasure()) == []
    assert set(tracker.store.patients) == {OTHER_KEY}
    assert {(each.topic, each.key) for each in tracker.tombstones} == TOMBSTONES


def test_an_erasure_under_another_patients_key_erases_nobody() -> None:
    tracker = Tracker()
    tracker.handle(record(event("e1")))
    tracker.handle(erasure()._replace(key=OTHER_KEY.encode()))
    assert set(tracker.store.patients) == {ERASED_KEY}
    assert tracker.tombstones == []


def test_a_report_that_comes_later_is_dropped_and_gets_a_tombstone() -> None:
    tracker = Tracker()
    tracker.handle(erasure())
    before = len(tracker.tombstones)
    assert tracker.handle(record(event("e9")), record(event("e2", patient="p2"))) == []
    assert set(tracker.store.patients) == {OTHER_KEY}
    assert {(each.topic, each.key) for each in tracker.tombstones[before:]} == TOMBSTONES


def test_an_erased_patients_bad_report_is_not_set_aside() -> None:
    tracker = Tracker()
    tracker.handle(erasure())
    assert tracker.handle(record(b"{", key=ERASED_KEY.encode())) == []
    assert len(tracker.handle(record(b"{", key=OTHER_KEY.encode()))) == 1


def test_an_erasure_while_a_report_is_being_stored_wins() -> None:
    tracker = Tracker()
    tracker.erasures.soon = {ERASED_KEY}
    assert tracker.handle(record(event("e1"))) == []
    assert tracker.store.patients == {}
    assert {(each.topic, each.key) for each in tracker.tombstones} == TOMBSTONES


def test_what_was_stored_before_a_crash_is_deleted_when_the_batch_comes_again() -> None:
    tracker = Tracker()
    tracker.erasures.soon = {ERASED_KEY}
    tracker.publisher.failures = 1
    with pytest.raises(TransientError):
        tracker.handle(record(event("e1")))
    assert set(tracker.store.patients) == {ERASED_KEY}, "stored, and it died before it looked again"
    assert tracker.handle(record(event("e1"))) == []
    assert tracker.store.patients == {}
    assert {(each.topic, each.key) for each in tracker.tombstones} == TOMBSTONES


def test_a_tombstone_is_no_news() -> None:
    tracker = Tracker()
    tracker.handle(erasure())
    before = len(tracker.tombstones)
    assert tracker.handle(Record(OUTREACH_EVENTS, 0, 1, ERASED_KEY.encode(), None, (), NOW)) == []
    assert len(tracker.tombstones) == before


def test_other_contact_events_and_unknown_organizations_erase_nobody() -> None:
    tracker = Tracker()
    tracker.handle(record(event("e1")))
    changed = erasure()
    value = (changed.value or b"").replace(b"contact.erased.v1", b"contact.changed.v1")
    assert tracker.handle(changed._replace(value=value), erasure(organization="org_else")) == []
    assert set(tracker.store.patients) == {ERASED_KEY}
    assert tracker.erasures.marked == set()
