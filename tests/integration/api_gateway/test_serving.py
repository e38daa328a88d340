"""Several gateways on one port, a stop that loses no request, and clients that behave badly."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx

from integration.api_gateway.conftest import Clinic, GatewayProcess, StartGateway
from support.eventually import eventually

CLIENTS = 12


async def served_by(gateway: GatewayProcess) -> int:
    """How many requests a gateway has logged."""
    return gateway.log.read_text().count('"event": "request"')


async def test_two_gateways_share_the_port_and_open_each_others_cursors(
    start_gateway: StartGateway, clinic: Clinic
) -> None:
    one, two = await start_gateway(), await start_gateway()

    for _ in range(60):
        async with httpx.AsyncClient(base_url=one.url, timeout=30) as client:
            assert (await client.get(clinic.path("risk-metrics"), headers=clinic.headers())).status_code == 200

    assert await served_by(one) + await served_by(two) >= 60
    assert await served_by(one) > 0
    assert await served_by(two) > 0


async def test_stopping_one_of_two_under_load_fails_no_request(start_gateway: StartGateway, clinic: Clinic) -> None:
    staying, leaving = await start_gateway(), await start_gateway()
    outcomes: Counter[object] = Counter()
    done = asyncio.Event()

    async def keep_asking() -> None:
        async with httpx.AsyncClient(base_url=staying.url, timeout=30) as client:
            while not done.is_set():
                try:
                    answer = await client.get(clinic.path("risk-metrics"), headers=clinic.headers())
                except httpx.HTTPError as failed:
                    outcomes[repr(failed)] += 1
                else:
                    outcomes[answer.status_code] += 1

    async def keep_connecting() -> None:
        while not done.is_set():
            try:
                answer = await _exchange(staying, _head(clinic, "GET", "/livez", "Connection: close"))
            except OSError as failed:
                outcomes[repr(failed)] += 1
            else:
                outcomes[int(answer[9:12] or 0)] += 1

    async def enough(count: int) -> None:
        assert outcomes.total() >= count

    asking = [asyncio.create_task(ask()) for ask in (keep_asking, keep_connecting) for _ in range(CLIENTS)]
    await eventually(lambda: enough(200), within=60)
    leaving.terminate()
    status = await leaving.ended()
    then = outcomes.total()
    await eventually(lambda: enough(then + 100), within=60)
    done.set()
    await asyncio.gather(*asking)

    assert status == 0
    assert set(outcomes) == {200}
    assert await served_by(leaving) > 0


async def test_a_request_that_runs_when_the_stop_comes_is_finished(start_gateway: StartGateway, clinic: Clinic) -> None:
    gateway = await start_gateway()
    body = json.dumps(_event(clinic)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(_head(clinic, "POST", clinic.events, f"Content-Length: {len(body)}") + body[:20])
    await writer.drain()
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", gateway.port)

    gateway.terminate()

    async def stopped_listening() -> None:
        try:
            _, probe = await asyncio.open_connection("127.0.0.1", gateway.port)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it stopped just now, with this one in its queue
            raise AssertionError("it listened a moment ago") from None
        probe.close()
        raise AssertionError("it still listens")

    await eventually(stopped_listening, within=10)
    writer.write(body[20:])
    answer = await asyncio.wait_for(reader.read(), 20)

    assert answer.startswith(b"HTTP/1.1 202")
    assert b"connection: close" in answer.lower()
    assert await idle_reader.read() == b""
    assert await gateway.ended() == 0
    idle_writer.close()
    writer.close()


async def test_a_request_that_comes_on_an_open_connection_during_the_stop_is_its_last(
    start_gateway: StartGateway, clinic: Clinic
) -> None:
    gateway = await start_gateway()
    held_writer = await _unfinished_upload(gateway, clinic)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)

    async def ask() -> bytes:
        writer.write(_head(clinic, "GET", "/livez"))
        return await asyncio.wait_for(reader.readuntil(b'"reasons":[]}'), 20)

    first = await ask()
    gateway.terminate()

    async def the_last() -> None:
        answer = await ask()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer)
        assert b"connection: close" in answer.lower()

    await eventually(the_last, within=10)
    rest = await reader.read()

    assert b"connection: close" not in first.lower()
    assert rest == b""
    held_writer.close()
    writer.close()
    assert await gateway.ended() == 0


async def test_bodies_over_1_mib_are_413_over_the_wire_too(start_gateway: StartGateway, clinic: Clinic) -> None:
    gateway = await start_gateway()

    then = _head(clinic, "GET", "/livez", "Connection: close")
    body = b" " * 10_000_000
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"

    whole = await _exchange(gateway, _head(clinic, "POST", clinic.events, f"Content-Length: {len(body)}") + body + then)
    chunked = await _exchange(
        gateway, _head(clinic, "POST", clinic.events, "Transfer-Encoding: chunked") + chunk * 100 + b"0\r\n\r\n" + then
    )
    asked = await _exchange(
        gateway,
        _head(
            clinic, "POST", clinic.events, f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close"
        ),
    )

    for answer in (whole, chunked):
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"application/problem+json" in answer
        assert answer.endswith(b'{"state":"live","reasons":[]}')  # the connection goes on
    assert asked.startswith(b"HTTP/1.1 413")


async def test_an_upload_that_nobody_wants_is_not_read_for_ever(start_gateway: StartGateway, clinic: Clinic) -> None:
    gateway = await start_gateway(API_GATEWAY_CLIENT_SECONDS="0.5")

    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(_head(clinic, "POST", clinic.events, "Content-Length: 10000000") + b" " * 1000)
    answer = await asyncio.wait_for(reader.readuntil(b'"errors":[]}'), 20)
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 20) == b""

    assert answer.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_slow_clients_are_cut_off(start_gateway: StartGateway, clinic: Clinic) -> None:
    gateway = await start_gateway(API_GATEWAY_CLIENT_SECONDS="0.5")

    silent, half_a_head, no_body = await asyncio.gather(
        _exchange(gateway, b""),
        _exchange(gateway, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        _exchange(gateway, _head(clinic, "POST", clinic.events, "Content-Length: 100") + b"["),
    )

    assert silent == half_a_head == b""
    assert no_body.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in no_body


async def test_what_is_no_http_or_too_large_a_head_is_a_problem(start_gateway: StartGateway, clinic: Clinic) -> None:
    gateway = await start_gateway()

    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"HELLO\r\n\r\n", b"GET / HTTP/x\r\nHost: x\r\n\r\n"):
        answer = await _exchange(gateway, nonsense)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"application/problem+json" in answer
    for large in (
        _head(clinic, "GET", "/livez", "Connection: close", f"X-Large: {'x' * 40_000}"),
        _head(clinic, "GET", f"/{'x' * 40_000}", "Connection: close"),
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 200_000,
        b"GET /livez HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)),
    ):
        answer = await _exchange(gateway, large)
        assert answer.startswith(b"HTTP/1.1 431"), answer[:100]
        assert b"application/problem+json" in answer


def _event(clinic: Clinic) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "e",
        "source": "/test",
        "type": "treatment.outcome.v1",
        "time": "2026-01-01T00:00:00Z",
        "data": {"organization_id": clinic.id, "patient_id": "p", "outcome": "improved"},
    }


def _head(clinic: Clinic, method: str, path: str, *headers: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: gateway",
        f"Authorization: Bearer {clinic.tokens['staff']}",
        "Content-Type: application/json",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _unfinished_upload(gateway: GatewayProcess, clinic: Clinic) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(_head(clinic, "POST", clinic.events, "Content-Length: 100") + b"[")
    await writer.drain()
    return writer


async def _exchange(gateway: GatewayProcess, sent: bytes) -> bytes:
    """What a server answers until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
