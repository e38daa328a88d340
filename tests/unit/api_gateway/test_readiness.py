"""Readiness tells what cannot be reached, and takes it back."""

import asyncio

import pytest
from structlog.testing import capture_logs

from api_gateway import readiness
from api_gateway.readiness import Readiness


class Thing:
    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.hangs = False

    async def check(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault:
            raise self.fault


async def test_what_was_not_asked_yet_is_a_reason() -> None:
    asked = Readiness({"MongoDB": Thing().check})

    assert asked.not_ready() == ["MongoDB was not asked yet"]
    await asked.ask()
    assert asked.not_ready() == []


async def test_a_thing_out_of_reach_is_a_reason_until_it_answers_again() -> None:
    mongodb, kafka = Thing(), Thing()
    asked = Readiness({"MongoDB": mongodb.check, "Kafka": kafka.check})
    await asked.ask()

    kafka.fault = ConnectionError("refused")
    with capture_logs() as lines:
        await asked.ask()
        await asked.ask()
        assert asked.not_ready() == ["Kafka is out of reach"]
        kafka.fault = None
        await asked.ask()

    assert asked.not_ready() == []
    assert [(line["event"], line["resource"]) for line in lines] == [("out of reach", "Kafka"), ("in reach", "Kafka")]


async def test_a_thing_that_does_not_answer_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.01)
    kafka = Thing()
    kafka.hangs = True
    asked = Readiness({"Kafka": kafka.check})

    await asked.ask()

    assert asked.not_ready() == ["Kafka is out of reach"]


async def test_it_keeps_asking_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "INTERVAL_SECONDS", 0)
    times, enough = 0, asyncio.Event()

    async def check() -> None:
        nonlocal times
        times += 1
        if times == 3:
            enough.set()

    asked = Readiness({"Kafka": check})
    await asked.start()
    await asyncio.wait_for(enough.wait(), 5)
    await asked.stop()
    stopped_at = times
    await asyncio.sleep(0)

    assert times == stopped_at
