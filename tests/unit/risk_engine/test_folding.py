"""Any order and any number of repeats of the same records leave the same timelines."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_engine.handlers import fold_into_timelines
from rules.instants import DAY, FOREVER
from shared.dead_letters import DeadLetter
from shared.events import Version
from shared.kafka import Outgoing
from shared.records import Record
from shared.timelines import facts_of
from shared.topics import APPOINTMENTS, CONTACTS, RISK_ENGINE_TOPICS, TYPES_IN
from support.memory_timelines import MemoryTimelines

ORGANIZATION, PATIENT = "org", "9377952927E-5"
KEY = f"{ORGANIZATION}:{PATIENT}".encode()
DAYS = [f"2025-03-{day:02d}T10:00:00Z" for day in range(1, 28)]


TOPIC_OF = {kind: topic for topic, kinds in TYPES_IN.items() for kind in kinds}


def _record(
    event_type: str, data: dict[str, Any], key: bytes = KEY, offset: int = 0, topic: str | None = None
) -> Record:
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "/ingestor",
        "type": event_type,
        "time": DAYS[0],
        "data": {"organization_id": ORGANIZATION, "patient_id": PATIENT, **data},
    }
    topic = topic or TOPIC_OF.get(event_type, APPOINTMENTS)
    return Record(topic, 0, offset, key, json.dumps(event).encode(), (), 0)


def _version(updated: int, read: int) -> dict[str, str]:
    return {"updated_at": DAYS[updated], "read_at": DAYS[read]}


def contact(updated: int, read: int, **more: Any) -> Record:
    data = {"version": _version(updated, read), "created_at": DAYS[0], "updated_at": DAYS[updated]}
    return _record("contact.changed.v1", {**data, "name": f"Name {updated}-{read}", **more})


def appointment(number: str, updated: int, read: int, **more: Any) -> Record:
    data = {
        "version": _version(updated, read),
        "appointment_id": number,
        "booking_id": number,
        "kind": "individual",
        "created_at": DAYS[0],
        "starts_at": DAYS[updated],
        "did_not_arrive": False,
        "arrived": False,
    }
    return _record("appointment.changed.v1", {**data, **more})


def left(number: str, updated: int, read: int) -> Record:
    return _record("appointment.left.v1", {"version": _version(updated, read), "appointment_id": number})


def message(message_id: str, revision: int, outcomes: Sequence[str]) -> Record:
    events = [
        {"source": "/crm", "event_id": f"{n}", "at": DAYS[n], "outcome": outcome} for n, outcome in enumerate(outcomes)
    ]
    data = {"revision": revision, "channel": "sms", "message_id": message_id, "events": events}
    return _record("message.changed.v1", data)


RECORDS = [
    contact(1, 2),
    contact(1, 3),
    contact(4, 4, email="a@example.com"),
    appointment("a.1$%", 2, 2),
    appointment("a.1$%", 5, 5),
    left("a.1$%", 5, 6),
    appointment("b", 3, 3, did_not_arrive=True),
    appointment("b", 3, 4),
    message("m.1", 1, ["sent"]),
    message("m.1", 2, ["sent", "responded"]),
    message("m.1", 10, []),
    message("m.2", 9, ["sent"]),
]


async def _knows(_: str) -> bool:
    return True


def _folded(batches: Sequence[Sequence[Record]]) -> tuple[MemoryTimelines, list[DeadLetter]]:
    timelines = MemoryTimelines()

    async def fold() -> list[DeadLetter]:
        letters = []
        for batch in batches:
            letters += await fold_into_timelines(batch, timelines, _knows)
        return letters

    return timelines, asyncio.run(fold())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(range(len(RECORDS))), max_size=30), st.randoms(), st.integers(1, 7))
def test_any_order_with_repeats_leaves_the_same_timeline(repeats: list[int], rng: Any, size: int) -> None:
    records = [*RECORDS, *(RECORDS[n] for n in repeats)]
    rng.shuffle(records)
    batches = [records[first : first + size] for first in range(0, len(records), size)]
    timelines, letters = _folded(batches)
    expected, _ = _folded([RECORDS])
    assert letters == []
    timeline, reference = (t.stored[KEY.decode()] for t in (timelines, expected))
    assert facts_of(timeline) == facts_of(reference)
    assert {k: v for k, v in timeline.items() if k != "revision"} == {
        k: v for k, v in reference.items() if k != "revision"
    }


def test_the_newest_version_of_each_fact_stands() -> None:
    timelines, _ = _folded([RECORDS])
    facts = facts_of(timelines.stored[KEY.decode()])
    assert facts.contact is not None
    assert facts.contact.email == "a@example.com"
    assert [a.id for a in facts.appointments] == ["b"]
    assert not facts.appointments[0].missed
    assert {r.message_id for r in facts.reports} == {"m.2"}


def test_what_can_never_be_folded_is_set_aside_and_the_rest_goes_on() -> None:
    bad = [
        Record("t", 0, 1, KEY, b"{", (), 0),
        Record("t", 0, 2, KEY, b"[]", (), 0),
        _record("nobody.knows.v1", {}, offset=3),
        _record("contact.changed.v1", {"name": "no version"}, offset=4),
        Record(CONTACTS, 0, 5, b"org:another", contact(2, 2).value, (), 0),
    ]
    tombstone = Record("t", 0, 6, KEY, None, (), 0)
    timelines, letters = _folded([[*bad, tombstone, contact(9, 9)]])
    assert [letter.record.offset for letter in letters] == [1, 2, 3, 4, 5]
    assert "no version" not in " ".join(letter.error for letter in letters)
    assert timelines.stored[KEY.decode()]["contact"]["name"] == "Name 9-9"


@pytest.mark.parametrize("topic", RISK_ENGINE_TOPICS)
def test_an_event_on_a_topic_that_is_not_its_own_changes_nothing(topic: str) -> None:
    erased = {"version": _version(3, 3), "erased_at": DAYS[3]}
    own = [contact(1, 1), appointment("a", 1, 1), message("m", 1, ["sent"]), recall("2025-03-01")]
    own += [communication(DAYS[1]), _record("contact.erased.v1", erased)]
    strange = [record._replace(topic=topic, offset=n) for n, record in enumerate(own) if record.topic != topic]
    timelines, letters = _folded([strange])
    assert timelines.stored == {}
    assert [letter.record for letter in letters] == strange
    assert all(letter.error.endswith(f" does not belong into {topic}") for letter in letters)
    assert not any(letter.unexpected for letter in letters)


@pytest.mark.parametrize("lost", ["id", "source", "time"])
def test_an_erasure_that_the_tracker_cannot_read_erases_nothing_here(lost: str) -> None:
    erasure = _record("contact.erased.v1", {"version": _version(3, 3), "erased_at": DAYS[3]})
    event = json.loads(erasure.value or b"")
    del event[lost]
    timelines, letters = _folded([[contact(1, 1)], [erasure._replace(value=json.dumps(event).encode())]])
    assert timelines.stored[KEY.decode()]["contact"]["name"] == "Name 1-1"
    assert [letter.error for letter in letters] == [f"InvalidEvent: invalid event: {lost}"]
    timelines, letters = _folded([[contact(1, 1)], [erasure]])
    assert letters == []
    assert KEY.decode() not in timelines.stored or "contact" not in timelines.stored[KEY.decode()]


@pytest.mark.parametrize(
    ("channel", "outcome", "revision"),
    [
        ("sms", "sent", -1),
        ("sms", "sent", 2**53 + 1),
        ("sms", "sent", 10**30),
        ("sms", "clicked", 1),
        ("sms", "", 1),
        ("email", "no_answer", 1),
        ("phone", "Connected", 1),
        ("fax", "sent", 1),
    ],
)
def test_a_message_that_the_tracker_cannot_have_told_is_set_aside(channel: str, outcome: str, revision: int) -> None:
    told = {"source": "/crm", "event_id": "1", "at": DAYS[1], "outcome": outcome}
    data = {"channel": channel, "message_id": "m", "revision": revision, "events": [told]}
    timelines, letters = _folded([[_record("message.changed.v1", data)]])
    assert timelines.stored == {}
    (letter,) = letters
    place = "channel" if channel == "fax" else "events" if revision == 1 else "revision"
    assert letter.error == f"InvalidEvent: invalid data: {place}"


@pytest.mark.parametrize("revision", [0, 2**53])
def test_the_least_and_the_greatest_revision_are_folded(revision: int) -> None:
    timelines, letters = _folded([[message("m", revision, ["sent", "opted_out"])]])
    assert letters == []
    assert KEY.decode() in timelines.stored


INSTANTS = st.integers(-(70 * 365 * DAY), 200 * 365 * DAY)


@given(INSTANTS, INSTANTS, INSTANTS, INSTANTS)
def test_versions_sort_as_text_as_their_instants_do(
    updated: int, read: int, later_updated: int, later_read: int
) -> None:
    one = Version(updated_at=updated, read_at=read)
    other = Version(updated_at=later_updated, read_at=later_read)
    assert (one.order < other.order) == ((updated, read) < (later_updated, later_read))
    assert (one.order == other.order) == ((updated, read) == (later_updated, later_read))


@given(st.integers(0, 200 * 365 * DAY), st.integers(0, 200 * 365 * DAY))
def test_the_text_of_a_version_since_1970_is_that_of_stored_documents(updated: int, read: int) -> None:
    assert Version(updated_at=updated, read_at=read).order == f"{updated:020d}.{read:020d}"


def test_the_newest_version_of_before_1970_stands() -> None:
    records = [
        contact(1, 1, version={"updated_at": f"19{year}-03-01T00:00:00Z", "read_at": DAYS[1]}, name=f"of {year}")
        for year in (50, 69, 60)
    ]
    for batches in ([records], [[record] for record in records]):
        timelines, _ = _folded(batches)
        assert timelines.stored[KEY.decode()]["contact"]["name"] == "of 69"


FAR = "9999-12-31T09:00:00Z"
LONG_AGO = "0001-01-01T00:00:00Z"


def recall(due_on: str) -> Record:
    data = {"version": _version(1, 1), "recall_id": "r", "created_at": DAYS[0], "due_on": due_on}
    return _record("recall.changed.v1", data)


def communication(received_at: str | int) -> Record:
    data = {"version": _version(1, 1), "communication_id": "c", "received_at": received_at}
    return _record("communication.received.v1", data)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (recall("9999-12-31"), "due_on"),
        (recall("2201-01-01"), "due_on"),
        (recall("1899-12-31"), "due_on"),
        (recall("2026-02-30"), "due_on"),
        (appointment("a", 1, 1, starts_at=FAR), "starts_at"),
        (appointment("a", 1, 1, created_at=LONG_AGO), "created_at"),
        (appointment("a", 1, 1, cancelled_at="2201-01-01T00:00:00Z"), "cancelled_at"),
        (communication(FAR), "received_at"),
        (communication(FOREVER), "received_at"),
        (contact(1, 1, created_at=LONG_AGO), "created_at"),
        (
            _record(
                "treatment.changed.v1", {"revision": 1, "source": "/s", "event_id": "e", "at": FAR, "outcome": "o"}
            ),
            "at",
        ),
    ],
)
def test_a_date_of_no_plausible_year_is_set_aside(record: Record, place: str) -> None:
    """The rules could not reckon with it: no calendar reaches further."""
    timelines, letters = _folded([[record]])
    assert [letter.error for letter in letters] == [f"InvalidEvent: invalid data: {place}"]
    assert timelines.stored == {}


def test_events_of_an_unknown_organization_are_set_aside() -> None:
    async def nobody(_: str) -> bool:
        return False

    letters = asyncio.run(fold_into_timelines([contact(1, 1)], MemoryTimelines(), nobody))
    assert [letter.error for letter in letters] == ["InvalidEvent: unknown organization"]


def test_nothing_is_folded_for_an_erased_patient() -> None:
    erased = _record("contact.erased.v1", {"version": _version(5, 5), "erased_at": DAYS[5]})
    timelines, letters = _folded([[contact(1, 1)], [erased, contact(9, 9)], [contact(10, 10)]])
    assert letters == []
    assert "contact" not in timelines.stored.get(KEY.decode(), {})


def test_what_a_process_left_that_died_after_folding_goes_when_the_record_comes_again() -> None:
    async def knows(_: str) -> bool:
        return True

    timelines = MemoryTimelines()
    asyncio.run(fold_into_timelines([contact(1, 1)], timelines, knows))
    timelines.erasures[KEY.decode()] = DAYS[5]  # by another process, before this one folded
    asyncio.run(fold_into_timelines([contact(1, 1)], timelines, knows))
    assert timelines.stored == {}


def test_an_erasure_leaves_tombstones_and_so_does_whatever_comes_later() -> None:
    erased = _record("contact.erased.v1", {"version": _version(5, 5), "erased_at": DAYS[5]})
    buried: list[tuple[str, bytes | None]] = []

    async def bury(records: Iterable[Outgoing]) -> None:
        for record in records:
            assert record.value is None
            buried.append((record.topic, record.key))

    async def knows(_: str) -> bool:
        return True

    async def fold(timelines: MemoryTimelines, *records: Record) -> list[DeadLetter]:
        return await fold_into_timelines(records, timelines, knows, bury)

    timelines = MemoryTimelines()
    assert asyncio.run(fold(timelines, contact(1, 1), erased)) == []
    assert buried == [(topic, KEY) for topic in sorted(RISK_ENGINE_TOPICS)]
    bad = Record("outreach-messages", 0, 1, KEY, b"{", (), 0)
    tombstone = Record("cliniko-contacts", 0, 2, KEY, None, (), 0)
    assert asyncio.run(fold(timelines, contact(9, 9), bad, tombstone)) == []
    assert buried[4:] == [(contact(9, 9).topic, KEY), ("outreach-messages", KEY)]
