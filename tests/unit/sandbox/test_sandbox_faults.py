"""What goes wrong on purpose, so many times and no more."""

from typing import Any

import httpx
import pytest

from support.sandbox import Sandbox, create_app
from unit.sandbox.small_clinic import KEY, NOW

FAULTS = f"/admin/clinics/{KEY}/faults"


async def inject(client: httpx.AsyncClient, *rules: dict[str, Any]) -> None:
    answer = await client.put(FAULTS, json={"rules": rules})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_status_is_given_so_many_times_to_the_paths_that_match(client: httpx.AsyncClient, status: int) -> None:
    await inject(client, {"path": "^/v1/patients.*page=2", "times": 2, "status": status})
    assert (await client.get("/v1/patients?page=1")).status_code == 200
    got = [(await client.get("/v1/patients?page=2")).status_code for _ in range(3)]
    assert got == [status, status, 200]
    assert (await client.get(FAULTS)).json()["rules"][0]["times"] == 0


async def test_too_many_requests_say_when_to_come_back(client: httpx.AsyncClient) -> None:
    await inject(client, {"status": 429, "reset_in": 7})
    answer = await client.get("/v1/user")
    assert answer.status_code == 429
    assert answer.headers["x-ratelimit-reset"] == str(int(NOW.timestamp()) + 7)


async def test_an_answer_is_delayed(client: httpx.AsyncClient, slept: list[float]) -> None:
    await inject(client, {"path": "user", "delay": 12.5, "method": "GET"})
    assert (await client.get("/v1/user")).status_code == 200
    assert (await client.get("/v1/user")).status_code == 200
    assert slept == [12.5]


async def test_an_answer_is_cut_off_half_way(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await inject(client, {"cut": True})
    whole = await client.get("/v1/user", auth=("nobody", ""))
    assert whole.status_code == 401
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    request = client.build_request("GET", "/v1/user")
    request = next(client.auth.sync_auth_flow(request))  # type: ignore[union-attr]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/user",
        "raw_path": b"/v1/user",
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "headers": request.headers.raw,
        "client": None,
        "server": ("sandbox.test", 80),
    }
    scope["headers"] = [(name.lower(), value) for name, value in request.headers.raw]
    await create_app(sandbox)(scope, receive, send)
    start, half = sent
    declared = int(dict(start["headers"])[b"content-length"])
    assert half["more_body"] is True
    assert 0 < len(half["body"]) < declared


@pytest.mark.parametrize(
    "rule", [{"path": "("}, {"status": 200}, {"status": 418}, {"path": "x", "pause": 1}, {"times": "x"}]
)
async def test_a_rule_that_cannot_be_is_refused(client: httpx.AsyncClient, rule: dict[str, Any]) -> None:
    assert (await client.put(FAULTS, json={"rules": [rule]})).status_code == 400


async def test_faults_of_one_key_do_not_meet_another(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.serve("other", sandbox.clinics["abc-def"])
    await inject(client, {"status": 500})
    assert (await client.get("/v1/user", auth=("other", ""))).status_code == 200
    assert (await client.put("/admin/clinics/nobody/faults", json={"rules": []})).status_code == 404
