"""How the demo goes on: the clinic drifts, and outreach is published to a gateway."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import islice
from typing import Any

import httpx
import pytest

from support.demo_clinic import build_demo_clinic, drip
from support.demo_clinic.drift import Drift
from support.demo_clinic.live import drift_events
from support.demo_clinic.phone_bookings import book_by_phone
from support.sandbox import Clinic, Sandbox, running_sandbox
from unit.sandbox.small_clinic import NOW, Hand

TODAY = date(2026, 3, 12)


@cache
def practice() -> Clinic:
    return build_demo_clinic(today=TODAY, patients=150)[0]


def drifting(seed: int, clock: Hand) -> tuple[Clinic, Drift]:
    clinic = Clinic("demo", clock=clock)
    clinic.load_from(practice())
    return clinic, Drift(clinic, clock=clock, seed=seed)


def told(seed: int, steps: int = 120) -> tuple[list[str], Clinic]:
    clock = Hand()
    clinic, drift = drifting(seed, clock)
    done = []
    for _ in range(steps):
        clock.move(minutes=7)
        done.append(drift.step())
    return done, clinic


def test_drift_makes_every_kind_of_change_the_same_way_for_the_same_seed() -> None:
    done, clinic = told(5)
    assert Counter(done).keys() >= {"booked", "arrived", "cancelled", "replied", "enrolled"}
    again, other = told(5)
    assert done == again
    assert dict(clinic.records["patients"]) == dict(other.records["patients"])
    assert told(6, steps=20)[0] != done[:20]


def test_drift_marks_only_what_has_ended_and_books_only_ahead() -> None:
    _, clinic = told(3)
    changed = clinic.records["attendees"].values()
    for each in changed:
        if each["updated_at"] > "2026-03-12T02:00:00Z" and each.get("arrived") is not None:
            appointment = clinic.records["individual_appointments"][each["booking_id"]]
            assert appointment["ends_at"] <= each["updated_at"]
    for each in clinic.records["individual_appointments"].values():
        if each["created_at"] > "2026-03-12T02:00:00Z":
            assert each["starts_at"] > each["created_at"]


async def test_drift_pauses_between_steps_until_it_is_stopped() -> None:
    clock = Hand()
    _, drift = drifting(1, clock)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.move(seconds=seconds)
        if len(pauses) == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await drift.go_on(sleep)
    assert all(30 <= each <= 90 for each in pauses)


def live(count: int, clock: Hand) -> list[dict[str, Any]]:
    events = drift_events(clock=clock, today=TODAY, clinic=practice())
    taken = []
    for each in islice(events, count):
        taken.append(each)
        clock.move(seconds=4)
    return taken


def test_live_events_carry_messages_from_their_first_outcome_on() -> None:
    events = live(400, Hand())
    assert len({each["id"] for each in events}) == 400
    assert [each["time"] for each in events] == sorted(each["time"] for each in events)
    by_message: dict[str, list[str]] = {}
    for each in events:
        by_message.setdefault(each["data"]["message_id"], []).append(each["data"]["outcome"])
    assert {each[0] for each in by_message.values()} == {"sent", "attempted"}
    assert {each["data"]["channel"] for each in events} == {"sms", "email", "phone"}
    seen = {outcome for each in by_message.values() for outcome in each}
    assert seen >= {"delivered", "responded", "opened", "connected", "appointment_booked", "no_answer", "failed"}


def test_a_later_run_repeats_no_id() -> None:
    clock = Hand()
    first = {each["id"] for each in live(5, clock)}
    assert first.isdisjoint(each["id"] for each in live(5, clock))


Answer = Callable[[httpx.Request], httpx.Response]


class Gateway:
    """Takes events as the gateway does; `troubles` are answered first."""

    def __init__(self, *troubles: int | Exception) -> None:
        self.troubles = list(troubles)
        self.batches: list[list[dict[str, Any]]] = []
        self.slept: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/outreach/org_x/events"
        assert request.headers["authorization"] == "Bearer secret"
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return httpx.Response(trouble, text="no", headers={"retry-after": "2"} if trouble == 429 else {})
        self.batches.append(json.loads(request.content))
        return httpx.Response(202, json={"accepted": len(self.batches[-1]), "rejected": []})

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url="http://gateway.test",
            headers={"authorization": "Bearer secret"},
            transport=httpx.MockTransport(self.answer),
        )

    def drip(self, *more: str) -> None:
        line = ["--gateway", "http://gateway.test", "--org", "org_x", "--token", "secret", "--today", str(TODAY)]
        options = drip.arguments().parse_args([*line, "--patients", "60", *more])
        drip.run(options, self.client(), clock=Hand(), sleep=self.slept.append)


def test_the_history_is_published_in_batches_then_event_by_event() -> None:
    gateway = Gateway()
    gateway.drip("--count", "3", "--every", "9")
    history = build_demo_clinic(today=TODAY, patients=60, organization_id="org_x")[1]
    assert [each for batch in gateway.batches[:-3] for each in batch] == history
    assert [len(batch) for batch in gateway.batches[-3:]] == [1, 1, 1]
    assert gateway.batches[-1][0]["time"] == "2026-03-12T02:00:00Z"
    assert gateway.slept == [9, 9, 9]


def test_it_goes_on_at_an_event_a_minute() -> None:
    gateway = Gateway()
    gateway.drip("--count", "2", "--no-history")
    assert gateway.slept == [60, 60]


def test_batches_are_small_enough_for_the_gateway() -> None:
    events = [{"id": str(number)} for number in range(2500)]
    assert [len(batch) for batch in drip.batches(events)] == [1000, 1000, 500]
    large = [{"id": str(number), "text": "x" * 400_000} for number in range(5)]
    assert [len(batch) for batch in drip.batches(large)] == [2, 2, 1]
    assert list(drip.batches([])) == []


def test_what_fails_in_passing_is_sent_again_with_pauses() -> None:
    gateway = Gateway(503, httpx.ConnectError("refused"), 429)
    gateway.drip("--no-history", "--count", "1", "--every", "0")
    assert len(gateway.batches) == 1
    assert gateway.slept == [0, 0.5, 1.0, 2.0]


def test_what_cannot_help_to_repeat_ends_with_the_reason() -> None:
    gateway = Gateway(403)
    with pytest.raises(drip.NotPublished, match="status 403: no"):
        gateway.drip("--count", "1")
    gateway = Gateway(*[500] * 20)
    with pytest.raises(drip.NotPublished, match="gave up after 6 tries; the last: status 500"):
        gateway.drip("--count", "1")
    assert len(gateway.slept) == 5


def test_without_a_token_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DEMO_TOKEN", raising=False)
    assert drip.main(["--gateway", "http://gateway.test", "--org", "org_x"]) == 2
    assert "no token" in capsys.readouterr().err


def test_a_phone_booking_stands_in_the_sandboxs_diary(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox()
    sandbox.serve("key", clinic)
    with running_sandbox(sandbox) as base_url:
        book_by_phone(base_url, "key", "101", now=NOW)
        book_by_phone(base_url, "nobody", "101", now=NOW)
    (booked,) = clinic.records["individual_appointments"].values()
    assert booked["starts_at"] == "2026-03-14T23:30:00Z"
    assert "not booked in the sandbox" in capsys.readouterr().err
