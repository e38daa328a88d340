"""Outreach events by HTTP: taken apart, judged one by one, published before they are acknowledged."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.errors import ProblemError
from api_gateway.ingress import MAX_BODY_BYTES, id_of, split
from api_gateway.schemas import examples
from api_gateway.settings import GatewaySettings
from shared.faults import TransientError
from unit.api_gateway.gateway import ORG, Gateway

EVENTS = f"/api/v1/outreach/{ORG}/events"
JSON = {"Content-Type": "application/json"}
SECRET = "Hannelore-Schmidt"


def event(**changes: Any) -> dict[str, Any]:
    """A valid event; `data__x` changes x of its data."""
    made: dict[str, Any] = json.loads(json.dumps(examples.OUTREACH_EVENT))
    for name, value in changes.items():
        place, key = (made["data"], name[6:]) if name.startswith("data__") else (made, name)
        if value is ...:
            del place[key]
        else:
            place[key] = value
    return made


async def post(client: httpx.AsyncClient, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post(EVENTS, content=content, headers={**JSON, **headers})


# ------------------------------------------------------------------------------- accepted


async def test_one_event_is_published_as_it_was_sent(client: httpx.AsyncClient, gateway: Gateway) -> None:
    body = b' {"unknown": 12345678901234567890123, ' + json.dumps(event()).encode()[1:-1] + b', "more": [1e40]}\n'

    answer = await post(client, body)

    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "rejected": []}
    (record,) = gateway.producer.records
    assert record.topic == "outreach-events"
    assert record.key == b"org_xxx:1508812345678901201"
    assert record.value == body.strip()
    assert dict(record.headers)["content-type"].startswith(b"application/cloudevents+json")


async def test_an_array_is_published_in_its_order(client: httpx.AsyncClient, gateway: Gateway) -> None:
    treatment = dict(examples.TREATMENT_EVENT)

    answer = await post(client, [event(id="a"), treatment, event(id="c", data__patient_id="p2")])

    assert answer.json() == {"accepted": 3, "rejected": []}
    assert [json.loads(record.value or b"")["id"] for record in gateway.producer.records] == ["a", "evt-2", "c"]
    assert gateway.producer.records[2].key == b"org_xxx:p2"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/CloudEvents+JSON;charset="UTF-8"',
        "application/cloudevents-batch+json",
    ],
)
async def test_three_media_types_are_taken(client: httpx.AsyncClient, content_type: str) -> None:
    for body in (event(), [event()]):
        assert (await post(client, body, **{"Content-Type": content_type})).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_every_other_media_type_is_415(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await post(client, event(), **headers)

    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


# ------------------------------------------------------------------------------- rejected


BAD: list[tuple[Any, str | None]] = [
    (event(data__channel=SECRET), "evt-1"),
    (event(data__outcome=SECRET), "evt-1"),
    (event(data__outcome="opened"), "evt-1"),
    (event(data__organization_id="org_other"), "evt-1"),
    (event(data__patient_id=""), "evt-1"),
    (event(data__message_id=...), "evt-1"),
    (event(time="2026-11-20T11:00:01Z"), "evt-1"),
    (event(time="yesterday"), "evt-1"),
    (event(type="contact.changed.v1"), "evt-1"),
    (event(specversion="0.3"), "evt-1"),
    (event(id=""), None),
    (event(id=5), None),
    (event(id=...), None),
    (event(id="\ud800"), None),
    (event(data=SECRET), "evt-1"),
    (event(data__note="x" * 262_144), "evt-1"),
    (SECRET, None),
    (5, None),
    (None, None),
    ([event()], None),
    ({}, None),
]


@pytest.mark.parametrize(("bad", "shown_id"), BAD)
async def test_a_bad_event_is_rejected_and_the_others_are_accepted(
    client: httpx.AsyncClient, gateway: Gateway, bad: object, shown_id: str | None
) -> None:
    answer = await post(client, [event(id="first"), bad, event(id="last")])

    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert body["accepted"] == len(gateway.producer.records) == 2
    (rejected,) = body["rejected"]
    assert (rejected["index"], rejected["id"]) == (1, shown_id)
    assert rejected["detail"]
    assert SECRET not in answer.text
    assert "org_other" not in answer.text


async def test_none_acceptable_is_422_with_the_same_list_and_pointers(client: httpx.AsyncClient) -> None:
    answer = await post(client, [event(data__channel=SECRET), event(time="x", id="b")])

    body = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == "/problems/nothing-acceptable"
    assert body["accepted"] == 0
    assert [(one["index"], one["id"]) for one in body["rejected"]] == [(0, "evt-1"), (1, "b")]
    assert [error["pointer"] for error in body["errors"]] == ["#/0/data/channel", "#/1/time"]
    assert SECRET not in answer.text

    alone = (await post(client, event(data__channel=SECRET))).json()
    assert alone["errors"][0]["pointer"] == "#/data/channel"
    assert alone["rejected"][0]["index"] == 0


async def test_one_hour_ahead_is_the_last_instant_that_is_accepted(client: httpx.AsyncClient) -> None:
    assert (await post(client, event(time="2026-11-20T11:00:00Z"))).status_code == 202
    assert (await post(client, event(time="2026-11-20T11:00:00.000001Z"))).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[",
        b"[{}",
        b"[{},]",
        b"[,{}]",
        b"[{} {}]",
        b"[{}] x",
        b"{} {}",
        b"[]]",
        b'"text"',
        b"5",
        b"null",
        b"NaN",
        b'[{"a": NaN}]',
        b'[{"a": Infinity}]',
        b"{'a': 1}",
        b'{"a": "\n"}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        "[{}]".encode("utf-16"),
    ],
)
async def test_what_is_no_json_event_or_array_is_422(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await post(client, body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "/problems/malformed"
    assert answer.json()["errors"][0]["pointer"] == "#"


async def test_an_array_holds_1_to_1000_events(client: httpx.AsyncClient, gateway: Gateway) -> None:
    assert (await post(client, [])).status_code == 422
    assert (await post(client, [event()] * 1001)).status_code == 422
    assert not gateway.producer.records
    assert (await post(client, [event()] * 1000)).json()["accepted"] == 1000


# ------------------------------------------------------------------------------- bounds and faults


async def test_a_body_over_1_mib_is_413_with_and_without_a_length(client: httpx.AsyncClient) -> None:
    async def chunks(total: int) -> AsyncIterator[bytes]:
        for _ in range(total // 4096):
            yield b" " * 4096

    whole = await client.post(EVENTS, content=b" " * (MAX_BODY_BYTES + 1), headers=JSON)
    chunked = await client.post(EVENTS, content=chunks(MAX_BODY_BYTES + 4096), headers=JSON)
    exact = await client.post(EVENTS, content=json.dumps(event()).encode().ljust(MAX_BODY_BYTES), headers=JSON)

    assert whole.status_code == chunked.status_code == 413
    assert whole.headers["content-type"] == "application/problem+json"
    assert exact.status_code == 202


async def test_a_body_that_does_not_arrive_is_408(gateway: Gateway) -> None:
    gateway.settings = GatewaySettings(api_gateway_client_seconds=0.01)

    async def stalls() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    async with gateway.client() as client:
        answer = await client.post(EVENTS, content=stalls(), headers=JSON)

    assert answer.status_code == 408
    assert answer.json()["type"] == "/problems/timed-out"


async def test_without_kafka_it_is_503_and_nothing_is_acknowledged(client: httpx.AsyncClient, gateway: Gateway) -> None:
    gateway.producer.fault = TransientError("Kafka is away")

    answer = await post(client, [event(), event(id="")])

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "accepted" not in answer.json()


async def test_kafka_that_does_not_answer_is_given_up(gateway: Gateway) -> None:
    gateway.settings = GatewaySettings(api_gateway_publish_seconds=0.01)

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    gateway.producer.publish_all = never  # type: ignore[method-assign, assignment]
    async with gateway.client() as client:
        answer = await post(client, event())

    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_uploads_at_once_are_bounded(gateway: Gateway) -> None:
    gateway.settings = GatewaySettings(api_gateway_max_uploads=1)
    release, arrived = asyncio.Event(), asyncio.Event()

    async def slow(_: object) -> None:
        arrived.set()
        await release.wait()

    gateway.producer.publish_all = slow  # type: ignore[method-assign, assignment]
    async with gateway.client() as client:
        running = asyncio.create_task(post(client, event()))
        await arrived.wait()
        refused = await post(client, event())
        release.set()
        assert (await running).status_code == 202
        assert (await post(client, event())).status_code == 202

    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/overloaded"


# ------------------------------------------------------------------------------- taking apart


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values, min_size=1, max_size=6), st.sampled_from(["", " ", "\n\t "]), st.booleans())
def test_the_elements_of_an_array_are_cut_out_exactly(values: list[object], space: str, ascii_only: bool) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    body = f"{space}[{space}{f'{space},{space}'.join(texts)}{space}]{space}"
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        return

    assert split(raw) == ([text.encode() for text in texts], True)


@given(st.binary(max_size=60) | st.text(alphabet='[]{},:"1 \\n', max_size=60).map(str.encode))
def test_any_bytes_are_events_or_a_problem(body: bytes) -> None:
    try:
        events, listed = split(body)
    except ProblemError:
        return
    whole = json.loads(body)
    assert [json.loads(one) for one in events] == (whole if listed else [whole])


def test_the_id_of_an_event_is_shown_only_where_it_is_valid() -> None:
    assert id_of(b'{"id": "a"}') == "a"
    assert id_of(b'{"id": "%b"}' % (b"x" * 501)) is None
    for other in (b'{"id": 5}', b'{"id": null}', b'{"id": ""}', b"{}", b"[]", b'"id"', b"null", b"{", b"\xff"):
        assert id_of(other) is None
