"""What every request gets: an id, headers, a log line without patients, and an answer whatever happens."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from api_gateway.errors import KINDS
from api_gateway.settings import GatewaySettings
from shared.faults import TransientError
from unit.api_gateway.gateway import ORG, Gateway

RISK = f"/api/v1/reengagement/{ORG}/risk-metrics"
PATIENT = f"/api/v1/reengagement/{ORG}/patients/patient_003"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECRET = "Hannelore-Schmidt"


async def test_a_request_id_that_is_a_uuid_is_taken_and_any_other_replaced(client: httpx.AsyncClient) -> None:
    given = "0B9F5C3E-6a51-4b8e-9c51-9f8f1f0f4a6e"

    taken = await client.get(RISK, headers={"X-Request-Id": given})
    assert taken.headers["x-request-id"] == given.lower()

    for other in (SECRET, "1508812345678901201", "", "x" * 10_000, given + "0"):
        answer = await client.get(RISK, headers={"X-Request-Id": other})
        assert UUID.fullmatch(answer.headers["x-request-id"])
        assert answer.headers["x-request-id"] != other


@pytest.mark.parametrize("path", [RISK, f"{RISK}?as_of=x", "/nowhere", "/docs", "/livez", "/openapi.json"])
async def test_every_answer_has_an_id_and_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert UUID.fullmatch(answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] in {"no-store", "private, no-cache", "no-cache"}


async def test_the_log_line_has_the_route_but_neither_path_nor_query(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get(f"{PATIENT}?as_of=2026-01-01&{SECRET}=1")
        await client.get(f"/{SECRET}")
        await client.head(PATIENT)
        await client.request("HANNELORE", PATIENT)

    routes = [line["route"] for line in lines]
    template = "/api/v1/reengagement/{org_id}/patients/{patient_id}"
    assert routes == [template, "unmatched", template, template]
    assert [line["status"] for line in lines] == [200, 404, 200, 405]
    assert [line["method"] for line in lines] == ["GET", "GET", "HEAD", "?"]
    assert SECRET not in str(lines)
    assert "patient_003" not in str(lines)
    assert "HANNELORE" not in str(lines)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [(TransientError("MongoDB is away"), 503, "unavailable"), (ValueError(SECRET), 500, "internal")],
)
async def test_a_fault_of_the_readings_is_a_problem_that_tells_nothing(
    client: httpx.AsyncClient, gateway: Gateway, fault: Exception, status: int, kind: str
) -> None:
    gateway.readings.fault = fault

    with capture_logs() as lines:
        answer = await client.get(RISK)

    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert body["type"] == f"/problems/{kind}"
    assert body["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert SECRET not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)
    assert lines[0]["request_id"] == answer.headers["x-request-id"]


async def test_what_takes_too_long_is_503(gateway: Gateway) -> None:
    gateway.settings = GatewaySettings(api_gateway_request_seconds=0.01)
    _never_answer(gateway, asyncio.Event())
    async with gateway.client() as client:
        answer = await client.get(RISK)

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/unavailable"


async def test_one_request_too_many_is_503_and_the_next_is_answered(gateway: Gateway) -> None:
    gateway.settings = GatewaySettings(api_gateway_max_requests=2)
    release, both = asyncio.Event(), asyncio.Event()
    _never_answer(gateway, release, both)
    async with gateway.client() as client:
        running = [asyncio.create_task(client.get(RISK)) for _ in range(2)]
        await both.wait()
        refused = await client.get(RISK)
        release.set()
        answered = [await one for one in running]
        after = await client.get(RISK)

    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/overloaded"
    assert refused.headers["retry-after"]
    assert [answer.status_code for answer in (*answered, after)] == [200, 200, 200]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
async def test_a_wrong_method_is_405_and_names_the_right_ones(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, RISK)

    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/api/v1", f"{RISK}/", f"/{SECRET}", "/docs/..%2f..%2fapp.py"])
async def test_an_unknown_route_is_404_and_repeats_nothing(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text


async def test_every_type_of_problem_is_explained_where_it_points_to(client: httpx.AsyncClient) -> None:
    for kind in KINDS.values():
        answer = await client.get(kind.type, headers={"Authorization": ""})
        assert answer.json()["title"] == kind.title


async def test_readyz_tells_what_is_out_of_reach(gateway: Gateway) -> None:
    async with gateway.client(token=None) as client:
        ready = await client.get("/readyz")
        gateway.reasons.append("Kafka is out of reach")
        waiting = await client.get("/readyz")
        live = await client.get("/livez")

    assert (ready.status_code, ready.json()["state"]) == (200, "ready")
    assert (waiting.status_code, waiting.json()["reasons"]) == (503, ["Kafka is out of reach"])
    assert waiting.headers["retry-after"]
    assert (live.status_code, live.json()["state"]) == (200, "live")


async def test_docs_work_without_any_other_server(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    script = await client.get("/docs/explorer.js")
    style = await client.get("/docs/explorer.css")

    assert re.findall(r'(?:src|href)="([^"]+)"', page) == [
        "data:,",
        "/docs/explorer.css",
        "/openapi.json",
        "/docs/explorer.js",
    ]
    assert "://" not in page + script.text + style.text
    assert script.headers["content-type"].startswith("text/javascript")
    assert style.headers["content-type"].startswith("text/css")


def _never_answer(gateway: Gateway, release: asyncio.Event, both: asyncio.Event | None = None) -> None:
    async def risk_metrics(*_: object, **asked: Any) -> dict[str, Any]:
        gateway.readings.asked.append(("risk_metrics", asked))
        if both and len(gateway.readings.asked) == 2:
            both.set()
        await release.wait()
        return {}

    gateway.readings.risk_metrics = risk_metrics  # type: ignore[method-assign]
