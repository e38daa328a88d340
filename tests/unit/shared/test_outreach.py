"""Which outreach events are accepted, and what a refusal tells."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.instants import HOUR, SECOND, parse_instant
from shared.events import OUTCOMES
from shared.outreach import (
    InvalidEvent,
    OutreachOutcome,
    TreatmentOutcome,
    canonical_json,
    parse_outreach_event,
)

NOW = parse_instant("2026-11-20T10:00:00Z")
KEY = b"org_x:1508812345678901201"

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "/crm",
    "type": "outreach.outcome.v1",
    "time": "2026-11-20T09:30:00Z",
    "subject": "1508812345678901201",
    "datacontenttype": "application/json",
    "data": {
        "organization_id": "org_x",
        "patient_id": "1508812345678901201",
        "channel": "sms",
        "outcome": "delivered",
        "message_id": "m-17",
        "attempt_id": "a-9",
        "campaign": "winter",
        "reason": None,
        "staff": None,
    },
}


def changed(data: dict[str, Any] | None = None, **envelope: Any) -> dict[str, Any]:
    event = copy.deepcopy(EVENT) | envelope
    event["data"] |= data or {}
    return event


def without(*path: str) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    inner = event
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return event


def reasons(event: Any, *, received_at: int = NOW, key: bytes | None = KEY) -> list[tuple[str, str]]:
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    with pytest.raises(InvalidEvent) as caught:
        parse_outreach_event(raw, received_at=received_at, key=key)
    return caught.value.reasons


def test_the_example_of_the_interface_is_understood() -> None:
    report = parse_outreach_event(json.dumps(EVENT).encode(), received_at=NOW, key=KEY)
    assert report == OutreachOutcome(
        organization_id="org_x",
        patient_id="1508812345678901201",
        source="/crm",
        event_id="evt-1",
        at=parse_instant("2026-11-20T09:30:00Z"),
        canonical=canonical_json(EVENT),
        channel="sms",
        outcome="delivered",
        message_id="m-17",
        attempt_id="a-9",
        campaign="winter",
    )
    assert report.key == KEY


def test_a_treatment_outcome_is_understood() -> None:
    event = changed(type="treatment.outcome.v1")
    event["data"] = {"organization_id": "org_x", "patient_id": "1508812345678901201", "outcome": "improved"}
    report = parse_outreach_event(event, received_at=NOW, key=KEY)
    assert isinstance(report, TreatmentOutcome)
    assert report.outcome == "improved"
    event["data"]["outcome"] = "x" * 201
    assert reasons(event) == [("/data/outcome", "must have at most 200 characters")]


@pytest.mark.parametrize("path", [("subject",), ("datacontenttype",)])
def test_these_of_the_envelope_may_be_absent(path: tuple[str, ...]) -> None:
    parse_outreach_event(without(*path), received_at=NOW, key=KEY)


@pytest.mark.parametrize("name", ["attempt_id", "campaign", "reason", "staff"])
def test_these_of_the_data_may_be_absent_and_empty_text_is_nothing(name: str) -> None:
    absent = parse_outreach_event(without("data", name), received_at=NOW, key=KEY)
    empty = parse_outreach_event(changed({name: ""}), received_at=NOW, key=KEY)
    assert getattr(absent, name) is None
    assert getattr(empty, name) is None


@pytest.mark.parametrize(
    "path",
    [
        ("specversion",),
        ("id",),
        ("source",),
        ("time",),
        ("data",),
        ("data", "organization_id"),
        ("data", "patient_id"),
        ("data", "channel"),
        ("data", "outcome"),
        ("data", "message_id"),
    ],
)
def test_all_else_is_required(path: tuple[str, ...]) -> None:
    assert reasons(without(*path)) == [("/" + "/".join(path), "is required")]


@pytest.mark.parametrize(("channel", "outcomes"), OUTCOMES.items())
def test_a_channel_has_its_own_outcomes(channel: str, outcomes: tuple[str, ...]) -> None:
    every = {outcome for known in OUTCOMES.values() for outcome in known} | {"no_response", ""}
    for outcome in every:
        event = changed({"channel": channel, "outcome": outcome})
        if outcome in outcomes:
            parse_outreach_event(event, received_at=NOW, key=KEY)
        else:
            assert reasons(event)[0][0] == "/data/outcome"


def test_unknown_fields_are_no_error() -> None:
    parse_outreach_event(changed({"extra": {"deep": [1]}}, traceparent="x"), received_at=NOW, key=KEY)


@pytest.mark.parametrize("number", ["9" * 5_000, "1e400", "-1E+999", "0.1", "12"])
def test_a_number_of_any_size_is_no_error_in_an_unknown_field(number: str) -> None:
    raw = json.dumps(changed(weight="here")).replace('"here"', number).encode()
    parse_outreach_event(raw, received_at=NOW, key=KEY)
    raw = json.dumps(changed({"campaign": "here"})).replace('"here"', number).encode()
    assert reasons(raw) == [("/data/campaign", "must be text")]


def test_what_is_nested_too_deep_is_said_so() -> None:
    raw = json.dumps(changed(extra="here")).replace('"here"', "[" * 5_000 + "]" * 5_000).encode()
    assert reasons(raw) == [("", "nested too deep")]


def test_time_may_lie_an_hour_ahead_and_no_more() -> None:
    at = parse_instant(EVENT["time"])
    parse_outreach_event(EVENT, received_at=at - HOUR, key=KEY)
    assert reasons(EVENT, received_at=at - HOUR - 1)[0][0] == "/time"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T09:30:00Z", 0),
        ("2026-11-20t09:30:00z", 0),
        ("2026-11-20T20:30:00+11:00", 0),
        ("2026-11-20T09:30:00.5Z", SECOND // 2),
        ("2026-11-20T09:30:00.0000019Z", 1),
        ("2026-11-20T09:29:60Z", -1),  # a leap second
        ("2026-11-20T12:29:60.25+03:00", -1),
    ],
)
def test_a_time_stamp_is_rfc_3339(text: str, instant: int) -> None:
    report = parse_outreach_event(changed(time=text), received_at=NOW, key=KEY)
    assert report.at - parse_instant(EVENT["time"]) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:30:00",
        "2026-11-20",
        "20261120T093000Z",
        "2026-W47-5T09:30:00Z",
        "2026-02-30T09:30:00Z",
        "now",
        "0001-01-01T00:00:00Z",
        "1899-12-31T23:59:59Z",
        1795167000,
        None,
        ["2026-11-20T09:30:00Z"],
    ],
)
def test_nothing_else_is_a_time_stamp(text: Any) -> None:
    assert [pointer for pointer, _ in reasons(changed(time=text))] == ["/time"]


def test_what_an_event_is_too_far_ahead_of_is_named_as_it_came_in() -> None:
    early = NOW - 2 * HOUR
    assert reasons(EVENT, received_at=early) == [
        ("/time", "lies more than one hour ahead of the record's Kafka timestamp")
    ]
    assert reasons(EVENT, received_at=early, key=None) == [("/time", "lies more than one hour ahead of its receipt")]


def test_no_receipt_makes_a_year_plausible() -> None:
    """A Kafka timestamp is the producer's, and may be anything."""
    for text, detail in [("2200-12-31T23:59:59Z", None), ("2201-01-01T00:00:00Z", "must be of the years 1900 to 2200")]:
        received_at = parse_instant(text)
        if detail is None:
            parse_outreach_event(changed(time=text), received_at=received_at, key=KEY)
        else:
            assert reasons(changed(time=text), received_at=received_at) == [("/time", detail)]


@pytest.mark.parametrize("key", [b"", b"org_x", b"org_x:2", b"org_y:1508812345678901201", b"\xff"])
def test_the_key_must_agree_with_the_data(key: bytes) -> None:
    assert reasons(EVENT, key=key) == [("", "the record's key is not organization_id:patient_id of the data")]


def test_by_http_there_is_no_key_to_agree_with() -> None:
    parse_outreach_event(EVENT, received_at=NOW, key=None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b"[" * 100000,
        b"1" * 5000,
        b'{"a": NaN}',
        b'{"a": "\\ud800"}',
        json.dumps(EVENT).encode("utf-16"),
    ],
)
def test_what_is_no_json_object_in_utf_8_is_refused(raw: bytes) -> None:
    assert [pointer for pointer, _ in reasons(raw)] == [""]


def test_a_record_has_at_most_256_kib() -> None:
    room = 256 * 1024 - len(json.dumps(changed({"pad": ""})).encode())
    parse_outreach_event(json.dumps(changed({"pad": "x" * room})).encode(), received_at=NOW, key=KEY)
    assert reasons(changed({"pad": "x" * (room + 1)})) == [("", "larger than 262144 bytes")]
    with pytest.raises(InvalidEvent):
        parse_outreach_event(changed({"pad": "é" * 140_000}), received_at=NOW, key=KEY)


@pytest.mark.parametrize("value", [7, True, ["a"], {"a": 1}, "", "x" * 501])
@pytest.mark.parametrize("name", ["id", "source"])
def test_ids_are_text_of_one_to_500_characters(name: str, value: Any) -> None:
    assert [pointer for pointer, _ in reasons(changed(**{name: value}))] == [f"/{name}"]


def test_all_reasons_are_given_at_once() -> None:
    found = dict(reasons({"type": "outreach.outcome.v1", "data": {"channel": "fax"}}))
    assert found["/data/channel"] == "must be 'sms', 'email' or 'phone'"
    assert found["/data/patient_id"] == "is required"
    assert found["/specversion"] == "is required"


def test_canonical_json_is_sorted_compact_and_unescaped() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.5,null]}'


secret = st.text(alphabet="QXZ0987", min_size=6, max_size=30)
anything = st.recursive(
    secret | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(secret, inner),
    max_leaves=5,
)


@given(
    st.sampled_from([*EVENT, *EVENT["data"]]),
    anything,
)
def test_a_refusal_never_quotes_the_event(name: str, value: Any) -> None:
    event = changed({name: value}) if name in EVENT["data"] else EVENT | {name: value}
    try:
        parse_outreach_event(event, received_at=NOW, key=None)
    except InvalidEvent as invalid:
        told = str(invalid) + repr(invalid) + repr(invalid.reasons)
        for text in _texts(value):
            assert text not in told
        assert "1508812345678901201" not in told


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _texts(part)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []
