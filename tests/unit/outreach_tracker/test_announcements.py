"""What is told of a message, and how it stays below Kafka's limit."""

import json
from typing import Any

import pytest

from outreach_tracker.announcements import Occasion, message_changed, treatment_changed
from outreach_tracker.lifecycle import Told, fold
from shared.events import Event, MessageChanged, OutreachEvent, TreatmentChanged
from shared.topics import MAX_RECORD_BYTES
from unit.outreach_tracker.fakes import NOW, event, report, treatment

OCCASION = Occasion("org_x", "p1", 7, NOW)


def reports(count: int, **more: Any) -> list[OutreachEvent]:
    told = {"source": "/crm", "outcome": "delivered", **more}
    return [OutreachEvent(event_id=f"e{place:06}", at=NOW + place, **told) for place in range(count)]


def told(events: list[OutreachEvent]) -> tuple[int, MessageChanged]:
    record = message_changed(OCCASION, ("sms", "m1"), events)
    assert record.value is not None
    assert len(record.value) <= MAX_RECORD_BYTES
    return len(record.value), Event[MessageChanged].model_validate_json(record.value).data


def test_a_message_is_told_as_a_cloud_event_with_the_key_of_the_patient() -> None:
    record = message_changed(OCCASION, ("sms", "m1"), reports(2))
    assert (record.topic, record.key) == ("outreach-messages", b"org_x:p1")
    envelope = json.loads(record.value or b"")
    assert envelope["type"] == "message.changed.v1"
    assert envelope["time"] == "2026-11-25T09:46:40Z"
    assert Event[MessageChanged].model_validate(envelope).data == MessageChanged(
        organization_id="org_x",
        patient_id="p1",
        revision=7,
        channel="sms",
        message_id="m1",
        events=tuple(reports(2)),
    )


def test_the_same_occasion_makes_the_same_record() -> None:
    assert message_changed(OCCASION, ("sms", "m1"), reports(2)) == message_changed(OCCASION, ("sms", "m1"), reports(2))


def test_a_withdrawn_message_is_told_without_events() -> None:
    assert told([])[1].events == ()


def test_thousands_of_reports_of_one_message_are_told_without_idle_repeats() -> None:
    events = [*reports(5_000), OutreachEvent(source="/crm", event_id="z", at=NOW + 9_999, outcome="responded")]
    assert [one.event_id for one in told(events)[1].events] == ["e000000", "z"]


def test_texts_are_left_out_before_contacts() -> None:
    _size, message = told(reports(1_000, outcome="responded", campaign="x" * 2_000))
    assert len(message.events) == 1_000
    assert {one.campaign for one in message.events} == {None}


def test_at_last_the_oldest_repeated_contacts_are_left_out() -> None:
    events = [*reports(1, outcome="sent"), *reports(9_000, outcome="responded")]
    size, message = told(events)
    kept = [one.event_id for one in message.events if one.outcome == "responded"]
    assert message.events[0].outcome == "sent"
    assert kept[0] == "e000000"
    assert kept[-1] == "e008999"
    assert size > MAX_RECORD_BYTES // 3


@pytest.mark.parametrize("first", [True, False])
def test_a_report_that_turns_out_to_be_no_treatment_has_no_outcome(first: bool) -> None:
    versions = [report(treatment("e1", at=2)), report(event("e1", at=1))]
    folded = fold({}, versions if first else versions[::-1])
    assert folded.treatments == {("/crm", "e1")}
    entry: Told = folded.history["/crm", "e1"]
    record = treatment_changed(OCCASION, entry)
    data = Event[TreatmentChanged].model_validate_json(record.value or b"").data
    assert (data.source, data.event_id, data.outcome) == ("/crm", "e1", "")
