"""Who is let in, and how often."""

import httpx
import pytest

from support.sandbox import Sandbox
from unit.sandbox.small_clinic import KEY, NOW, Hand


async def status(client: httpx.AsyncClient, **how: object) -> int:
    return (await client.get("/v1/user", **how)).status_code  # type: ignore[arg-type]


async def test_the_key_opens_the_clinic_with_and_without_its_shard(client: httpx.AsyncClient) -> None:
    assert await status(client, auth=(KEY, "")) == 200
    assert await status(client, auth=("abc-def", "")) == 200


@pytest.mark.parametrize("auth", [None, ("wrong-au4", ""), (KEY, "x"), ("abc", "")])
async def test_any_other_credentials_are_refused(client: httpx.AsyncClient, auth: tuple[str, str] | None) -> None:
    client.auth = None  # type: ignore[assignment]
    assert await status(client, auth=auth) == 401


@pytest.mark.parametrize("header", ["Bearer abc-def", "Basic", "Basic !!!", "Basic //79"])
async def test_what_is_no_basic_authentication_is_refused(client: httpx.AsyncClient, header: str) -> None:
    client.auth = None  # type: ignore[assignment]
    assert await status(client, headers={"authorization": header}) == 401


async def test_a_request_without_a_user_agent_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/user", headers={"user-agent": ""})
    assert answer.status_code == 400
    assert answer.text == "Requires a user agent"


async def test_the_request_over_the_limit_is_told_when_to_come_back(client: httpx.AsyncClient, clock: Hand) -> None:
    assert {await status(client) for _ in range(199)} == {200}
    clock.move(seconds=30.5)
    assert await status(client) == 200
    answer = await client.get("/v1/user")
    assert answer.status_code == 429
    assert answer.headers["x-ratelimit-reset"] == str(int(NOW.timestamp()) + 60)
    clock.move(seconds=29.4)
    assert await status(client) == 429
    clock.move(seconds=0.1)
    assert await status(client) == 200


async def test_each_key_has_a_limit_of_its_own(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.serve("other", sandbox.clinics["abc-def"])
    assert {await status(client) for _ in range(200)} == {200}
    assert await status(client) == 429
    assert await status(client, auth=("other", "")) == 200


async def test_the_log_tells_who_asked_what_and_how_hard(client: httpx.AsyncClient, clock: Hand) -> None:
    await client.get("/v1/patients?page=2", headers={"x-client": "ingestor-1"})
    clock.move(seconds=59)
    await client.get("/v1/user")
    clock.move(seconds=1)
    await client.get("/v1/user", headers={"user-agent": "Another"})
    logged = (await client.get("/admin/requests", params={"key": KEY, "path": "/v1/patients"})).json()
    assert logged["total"] == 1
    first = logged["requests"][0]
    assert (first["query"], first["client"], first["peer"]) == ("page=2", "ingestor-1", "10.0.0.9:4242")
    assert first["at"] == NOW.timestamp()
    (summary,) = (await client.get("/admin/requests/summary")).json()["keys"]
    assert summary["requests"] == 3
    assert summary["most_in_60_seconds"] == 2
    assert summary["user_agents"] == ["Another", "Tests (tests@example.com)"]
    await client.delete("/admin/requests")
    assert (await client.get("/admin/requests")).json()["total"] == 0


async def test_a_path_that_leads_nowhere_is_an_html_page(client: httpx.AsyncClient) -> None:
    for path in ("/v1/invoices", "/v1/patients/101/nonsense", "/v1/users/me", "/elsewhere"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


async def test_the_date_header_is_the_sandboxs_own(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/user")).headers["date"] == "Thu, 12 Mar 2026 02:00:00 GMT"
