"""Reports through the gateway: tried again where that can help, and only there."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import reengage_publisher.http
from reengage_publisher import HttpOutreachPublisher, PublishError, RejectedError, outreach_event
from reengage_publisher.reporting import utc_now

Answer = httpx.Response | Exception


class Gateway:
    """Answers as told, then with 202; keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else httpx.Response(202, json={"accepted": 1, "rejected": []})
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    told: list[float] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    # the publisher's alone: other tests' servers live in this process, and sleep between two looks
    monkeypatch.setattr(reengage_publisher.http, "sleep", sleep)
    return told


def publisher(gateway: Callable[[httpx.Request], httpx.Response]) -> HttpOutreachPublisher:
    client = httpx.AsyncClient(transport=httpx.MockTransport(gateway))
    return HttpOutreachPublisher("http://gateway/", "secret", source="/crm", client=client)


async def test_a_report_is_one_event_for_its_organization() -> None:
    gateway = Gateway()
    async with publisher(gateway) as reports:
        event_id = await reports.report("org/x", "p1", "sms", "sent", "m1", event_id="mine", campaign="winter")
    assert event_id == "mine"
    (request,) = gateway.requests
    assert request.url.raw_path == b"/api/v1/outreach/org%2Fx/events"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["content-type"] == "application/cloudevents-batch+json"
    assert [one["data"]["campaign"] for one in gateway.bodies[0]] == ["winter"]


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.Response(503), httpx.Response(500)]
)
async def test_what_is_no_fault_of_the_event_is_tried_again_as_it_is(fault: Answer, pauses: list[float]) -> None:
    gateway = Gateway(fault, fault)
    async with publisher(gateway) as reports:
        await reports.report("org_x", "p1", "sms", "sent", "m1")
    assert len(gateway.requests) == 3
    assert len({request.content for request in gateway.requests}) == 1
    assert pauses == [0.0, 0.25, 0.5]


async def test_the_gateway_may_say_how_long_to_wait(pauses: list[float]) -> None:
    gateway = Gateway(httpx.Response(429, headers={"retry-after": "7"}))
    async with publisher(gateway) as reports:
        await reports.report("org_x", "p1", "sms", "sent", "m1")
    assert pauses == [0.0, 7.0]


async def test_it_gives_up_in_the_end() -> None:
    gateway = Gateway(*[httpx.Response(503)] * 9)
    async with publisher(gateway) as reports:
        with pytest.raises(PublishError, match="the gateway answered 503, 5 times"):
            await reports.report("org_x", "p1", "sms", "sent", "m1")
    assert len(gateway.requests) == 5


@pytest.mark.parametrize(
    ("answer", "details"),
    [
        (httpx.Response(401, json={"title": "Unauthorized", "status": 401}), ["Unauthorized"]),
        (httpx.Response(422, json={"rejected": [{"index": 0, "id": "e", "detail": "too late"}]}), ["too late"]),
        (httpx.Response(202, json={"accepted": 0, "rejected": [{"index": 0, "detail": "too late"}]}), ["too late"]),
        (httpx.Response(413, text="<html>"), ["refused"]),
    ],
)
async def test_a_refusal_is_not_tried_again(answer: httpx.Response, details: list[str]) -> None:
    gateway = Gateway(answer)
    async with publisher(gateway) as reports:
        with pytest.raises(RejectedError) as caught:
            await reports.report("org_x", "p1", "sms", "sent", "m1")
    assert (caught.value.status, caught.value.details) == (answer.status_code, details)
    assert len(gateway.requests) == 1


async def test_many_events_go_in_batches_that_the_gateway_takes() -> None:
    def event(organization: str, number: int, **more: Any) -> dict[str, Any]:
        told = {"source": "/crm", "now": utc_now(), **more}
        return outreach_event(organization, "p1", "sms", "sent", f"m{number}", **told)

    gateway = Gateway()
    events = [event("org_x", number) for number in range(1_500)] + [event("org_y", 0)]
    long = [event("org_z", number, reason="é" * 2_000, campaign="é" * 2_000) for number in range(300)]
    async with publisher(gateway) as reports:
        assert len(await reports.send([*events, *long])) == 1_801
    assert [len(body) for body in gateway.bodies][:3] == [1_000, 500, 1]
    assert sum(len(body) for body in gateway.bodies) == 1_801
    assert all(len(request.content) <= 1024 * 1024 for request in gateway.requests)
