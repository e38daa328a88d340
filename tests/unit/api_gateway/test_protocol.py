"""What a connection gets after requests that are whole, when then comes what is no HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api_gateway.server import GatewayServer
from api_gateway.settings import GatewaySettings

GARBAGE = b"\x00\x01 garbage\r\n\r\n"


class World:
    """A server whose answers take until `go` is set, and what became of its requests."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.ends: list[str] = []
        app = Starlette(routes=[Route("/{name}", self._answer, methods=["POST"])])

        async def build() -> Starlette:
            return app

        settings = GatewaySettings(reengage_gateway_port=0, api_gateway_host="127.0.0.1")
        self.server = GatewayServer(build, settings)

    async def _answer(self, request: Request) -> PlainTextResponse:
        name = request.path_params["name"]
        try:
            body = await request.body()
            await self.go.wait()
        except ClientDisconnect:
            self.ends.append(f"{name} is gone")
            return PlainTextResponse("nobody reads this")
        self.ends.append(name)
        return PlainTextResponse(f"{name}: {body.decode()}")

    async def exchange(self, sent: bytes) -> bytes:
        """What comes back to bytes that are sent at once; the answers begin a moment later."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(sent)
        await writer.drain()
        asyncio.get_running_loop().call_later(0.05, self.go.set)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.server.start()
    yield made
    await made.server.stop()


def post(name: str, body: bytes = b"hello") -> bytes:
    return f"POST /{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(name: str) -> bytes:
    return f"POST /{name} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"5\r\nhello\r\nno\r\n"


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_a_whole_request_is_answered_before_the_garbage_behind_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await world.exchange(post("one") + GARBAGE)
    assert statuses(answer) == [200, 400]
    assert b"one: hello" in answer
    assert answer.lower().count(b"connection: close") == 1
    assert world.ends == ["one"]
    assert "Exception" not in caplog.text


async def test_all_whole_requests_are_answered_before_the_garbage_behind_them(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await world.exchange(post("one") + post("two") + post("three") + GARBAGE + post("four"))
    assert statuses(answer) == [200, 200, 200, 400]
    assert world.ends == ["one", "two", "three"]
    assert "Exception" not in caplog.text


async def test_too_large_a_head_waits_for_the_answer_before_it(world: World) -> None:
    answer = await world.exchange(post("one") + b"GET /livez HTTP/1.1\r\nX: " + b"x" * 600_000)
    assert statuses(answer) == [200, 431]


async def test_garbage_alone_is_told_at_once(world: World) -> None:
    assert statuses(await world.exchange(GARBAGE)) == [400]


async def test_a_body_that_goes_wrong_ends_its_request(world: World, caplog: pytest.LogCaptureFixture) -> None:
    answer = await world.exchange(chunked("one"))
    assert statuses(answer) == [400]
    assert world.ends == ["one is gone"]
    assert "Exception" not in caplog.text


async def test_a_body_that_goes_wrong_ends_its_own_request_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await world.exchange(post("one") + post("two") + chunked("three"))
    assert statuses(answer) == [200, 200, 400]
    assert world.ends == ["one", "two"]
    assert "Exception" not in caplog.text
