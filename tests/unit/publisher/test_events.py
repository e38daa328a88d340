"""Events that other systems build: accepted by the tracker's rules, and the same when tried again."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reengage_publisher import OUTCOMES, InvalidEvent, outreach_event, treatment_event
from reengage_publisher.events import LARGEST_EVENT_BYTES, TOPIC, encoded, key_of
from rules.instants import from_datetime
from shared import events as rules
from shared.outreach import parse_outreach_event
from shared.topics import MAX_RECORD_BYTES, OUTREACH_EVENTS

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def built(**more: Any) -> dict[str, Any]:
    told = {"channel": "sms", "outcome": "delivered", "message_id": "m1", "source": "/crm", "now": NOW} | more
    return outreach_event("org_x", "p1", **told)


def reasons(**more: Any) -> list[str]:
    with pytest.raises(InvalidEvent) as caught:
        built(**more)
    return caught.value.reasons


def test_it_knows_the_same_rules_as_the_tracker() -> None:
    assert OUTCOMES == rules.OUTCOMES
    assert LARGEST_EVENT_BYTES == MAX_RECORD_BYTES
    assert TOPIC == OUTREACH_EVENTS


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
maybe = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    organization_id=text,
    patient_id=text,
    report=st.sampled_from([(channel, outcome) for channel, outcomes in OUTCOMES.items() for outcome in outcomes]),
    message_id=text,
    time=st.none() | st.integers(0, 10**9).map(lambda ago: NOW - timedelta(seconds=ago)),
    more=st.fixed_dictionaries({"attempt_id": maybe, "campaign": maybe, "reason": maybe, "staff": maybe}),
)
def test_what_it_builds_the_tracker_accepts(
    organization_id: str,
    patient_id: str,
    report: tuple[str, str],
    message_id: str,
    time: datetime | None,
    more: dict[str, str | None],
) -> None:
    channel, outcome = report
    event = outreach_event(
        organization_id,
        patient_id,
        channel,  # type: ignore[arg-type]
        outcome,
        message_id,
        source="/crm",
        now=NOW,
        time=time,
        **more,
    )
    told = parse_outreach_event(encoded(event), received_at=from_datetime(NOW), key=key_of(event))
    assert told.at == from_datetime(time or NOW)
    assert told.outcome == outcome
    assert told.key == key_of(event)


def test_a_report_tried_again_is_the_same_event() -> None:
    later = NOW + timedelta(seconds=5)
    assert built()["id"] == built(now=later)["id"]
    assert built(time=NOW)["id"] == built(time=NOW, now=later)["id"]
    assert built(time=NOW)["id"] == built(time="2026-11-20T20:30:00+11:00")["id"]


@pytest.mark.parametrize(
    "other", [{"outcome": "responded"}, {"message_id": "m2"}, {"channel": "email"}, {"time": NOW}, {"event_id": "mine"}]
)
def test_another_report_is_another_event(other: dict[str, Any]) -> None:
    assert built(**other)["id"] != built()["id"]


def treated(**more: Any) -> dict[str, Any]:
    return treatment_event("org_x", "p1", "improved", **{"source": "/emr", "now": NOW} | more)


def test_a_treatment_outcome_is_told_with_its_time() -> None:
    event = treated(time="2026-11-20T09:30:00Z")
    told = parse_outreach_event(encoded(event), received_at=from_datetime(NOW), key=b"org_x:p1")
    assert told.outcome == "improved"
    later = NOW + timedelta(1)
    assert event["id"] == treated(time=NOW, now=later)["id"]
    assert event["id"] != treated(time=later)["id"]


def test_a_treatment_outcome_without_a_time_is_of_now_and_another_one_later() -> None:
    event = treated()
    assert event["time"] == "2026-11-20T09:30:00Z"
    assert event["id"] != treated(now=NOW + timedelta(1))["id"]
    assert treated(event_id="mine")["id"] == "mine"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"channel": "fax"}, "channel: must be one of sms, email, phone"),
        ({"outcome": "opened"}, "outcome: for this channel one of sent, delivered, responded, failed, opted_out"),
        ({"message_id": ""}, "message_id: must be text of 1 to 500 characters"),
        ({"message_id": 7}, "message_id: must be text of 1 to 500 characters"),
        ({"reason": "x" * 2001}, "reason: must be text of 0 to 2000 characters"),
        ({"time": datetime(2026, 1, 1)}, "time: must be an aware datetime, or an RFC 3339 time stamp with an offset"),  # noqa: DTZ001
        ({"time": "yesterday"}, "time: must be an aware datetime, or an RFC 3339 time stamp with an offset"),
        ({"campaign": "\ud800"}, "must be text that UTF-8 can hold"),
    ],
)
def test_what_would_be_refused_is_refused_at_once(more: dict[str, Any], reason: str) -> None:
    assert reasons(**more) == [reason]


def test_times_are_told_in_utc() -> None:
    moment = datetime(2026, 11, 20, 20, 30, 0, 5, tzinfo=timezone(timedelta(hours=11)))
    assert built(time=moment)["time"] == "2026-11-20T09:30:00.000005Z"


def test_nothing_that_was_not_given_is_told() -> None:
    assert json.loads(encoded(built()))["data"] == {
        "organization_id": "org_x",
        "patient_id": "p1",
        "message_id": "m1",
        "channel": "sms",
        "outcome": "delivered",
    }
