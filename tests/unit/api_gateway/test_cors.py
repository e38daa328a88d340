"""Which web pages may call."""

import httpx
import pytest
from pydantic import ValidationError

from api_gateway.settings import GatewaySettings
from unit.api_gateway.gateway import ORG, ORIGIN, Gateway

RISK = f"/api/v1/reengagement/{ORG}/risk-metrics"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization, if-none-match",
}


async def test_a_listed_origin_may_ask_and_read(client: httpx.AsyncClient) -> None:
    preflight = await client.options(RISK, headers=PREFLIGHT)
    answer = await client.get(RISK, headers={"Origin": ORIGIN})

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert {"ETag", "X-Request-Id"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", f"{ORIGIN}.evil.com", "null"])
async def test_no_other_origin_may(client: httpx.AsyncClient, origin: str) -> None:
    preflight = await client.options(RISK, headers={**PREFLIGHT, "Origin": origin})
    answer = await client.get(RISK, headers={"Origin": origin})

    assert preflight.status_code == 403
    assert preflight.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert "evil" not in preflight.text


async def test_a_method_or_header_that_no_route_takes_is_refused(client: httpx.AsyncClient) -> None:
    for name, value in (("Method", "DELETE"), ("Headers", "x-evil")):
        preflight = await client.options(RISK, headers={**PREFLIGHT, f"Access-Control-Request-{name}": value})
        assert preflight.status_code == 403


async def test_failures_can_be_read_by_a_listed_origin_too(client: httpx.AsyncClient, gateway: Gateway) -> None:
    gateway.readings.fault = RuntimeError("x")

    for path, status in ((RISK, 500), ("/nowhere", 404), (f"{RISK}?as_of=x", 422)):
        answer = await client.get(path, headers={"Origin": ORIGIN})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_without_allowed_origins_nothing_is_said_of_origins() -> None:
    async with Gateway(settings=GatewaySettings(allowed_origins=frozenset())).client() as client:
        answer = await client.get(RISK, headers={"Origin": ORIGIN})
        preflight = await client.options(RISK, headers=PREFLIGHT)

    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert preflight.status_code == 405


def test_origins_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://App.example.com/, http://localhost:5173,http://[::1]:3000")

    assert GatewaySettings().allowed_origins == {
        "https://app.example.com",
        "http://localhost:5173",
        "http://[::1]:3000",
    }


@pytest.mark.parametrize(
    "value", ["*", "https://*.example.com", "example.com", "https://a.com/path", "null", "https://a.com *"]
)
def test_a_star_is_no_origin(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", value)

    with pytest.raises(ValidationError):
        GatewaySettings()
