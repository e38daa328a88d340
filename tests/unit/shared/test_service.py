"""How a service starts, says how it is, and stops."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from typing import Any

from shared.faults import StatedError
from shared.service import BackgroundTask, Part, Runtime, serve
from shared.settings import ServiceSettings
from support.eventually import eventually

SETTINGS = ServiceSettings(mongodb_uri="mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=50", instance="one")


class Step:
    def __init__(self, name: str, story: list[str], **faults: Exception) -> None:
        self.name, self.story, self.faults = name, story, faults
        self.reasons: list[str] = []
        self.reasons_not_live: list[str] = []

    async def start(self) -> None:
        self.story.append(f"start {self.name}")
        if "start" in self.faults:
            raise self.faults["start"]

    async def stop(self) -> None:
        self.story.append(f"stop {self.name}")
        if "stop" in self.faults:
            raise self.faults["stop"]

    def not_ready(self) -> list[str]:
        return self.reasons

    def not_live(self) -> list[str]:
        return self.reasons_not_live


class Waiting(Step):
    async def start(self) -> None:
        self.story.append(f"start {self.name}")
        await asyncio.Event().wait()


async def served(*parts: Part) -> int:
    return await serve("outreach-tracker", lambda runtime: parts, SETTINGS)


def stop_soon(story: list[str], last: str) -> "asyncio.Task[None]":
    async def stop() -> None:
        def started() -> None:
            assert last in story

        await eventually(started)
        os.kill(os.getpid(), signal.SIGTERM)

    return asyncio.create_task(stop())


async def test_parts_start_in_order_and_stop_in_reverse_and_the_exit_status_is_0() -> None:
    story: list[str] = []
    stopping = stop_soon(story, "start b")
    assert await served(Step("a", story), Step("b", story)) == 0
    assert story == ["start a", "start b", "stop b", "stop a"]
    await stopping


async def test_a_part_that_waits_for_its_server_can_be_stopped() -> None:
    story: list[str] = []
    stopping = stop_soon(story, "start b")
    assert await served(Step("a", story), Waiting("b", story), Step("c", story)) == 0
    assert story == ["start a", "start b", "stop b", "stop a"]
    await stopping


async def test_a_part_that_cannot_start_ends_the_service_with_1() -> None:
    story: list[str] = []
    assert await served(Step("a", story), Step("b", story, start=StatedError("no"))) == 1
    assert story == ["start a", "start b", "stop b", "stop a"]


async def test_a_fatal_error_ends_the_service_with_1_and_a_failing_stop_stops_nobody_else() -> None:
    story: list[str] = []

    def create(runtime: Runtime) -> Sequence[Part]:
        async def work() -> None:
            raise KeyError("a bug")

        failing = Step("b", story, stop=ValueError("no"))
        return Step("a", story), failing, BackgroundTask("work", work, runtime.fail)

    assert await serve("outreach-tracker", create, SETTINGS) == 1
    assert story == ["start a", "start b", "stop b", "stop a"]


async def test_a_service_that_cannot_be_built_ends_with_1() -> None:
    def create(runtime: Runtime) -> Sequence[Part]:
        raise KeyError("a bug")

    assert await serve("outreach-tracker", create, SETTINGS) == 1


async def test_it_says_whether_it_is_live_and_ready(unused_tcp_port: int) -> None:
    part = Step("a", [])
    settings = SETTINGS.model_copy(update={"health_port": unused_tcp_port})
    serving = asyncio.create_task(serve("outreach-tracker", lambda runtime: [part], settings))

    async def ask(path: str) -> tuple[int, dict[str, Any]]:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        except OSError:
            raise AssertionError("does not listen") from None
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def ready() -> None:
        assert await ask("/readyz") == (200, {"state": "ready", "reasons": []})

    await eventually(ready)
    assert (await ask("/livez?x=1"))[0] == 200
    assert (await ask("/"))[0] == 404
    part.reasons = ["no partitions assigned"]
    assert await ask("/readyz") == (503, {"state": "not ready", "reasons": ["no partitions assigned"]})
    assert (await ask("/livez"))[0] == 200
    part.reasons_not_live = ["stuck"]
    assert await ask("/livez") == (503, {"state": "not live", "reasons": ["stuck"]})
    os.kill(os.getpid(), signal.SIGINT)
    assert await serving == 0
