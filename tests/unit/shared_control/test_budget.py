"""What a process asks the shared budget for, and when it need not ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.budget import RequestBudget


class Answers:
    """Answers in turn, then admits for ever; counts how often it was asked."""

    def __init__(self, *waits_ms: int) -> None:
        self._waits = list(waits_ms)
        self.asked = 0

    async def find_one_and_update(
        self, query: Mapping[str, Any], update: Sequence[Mapping[str, Any]], *, projection: Any, upsert: bool
    ) -> Mapping[str, Any]:
        self.asked += 1
        return {"_id": query["_id"], "wait_ms": self._waits.pop(0) if self._waits else 0}


async def test_each_request_is_asked_for_up_to_a_thousand_a_minute() -> None:
    answers = Answers()
    budget = RequestBudget(answers, "k", per_minute=1_000)
    for _ in range(5):
        await budget.take()
    assert answers.asked == 5


async def test_above_that_several_are_taken_at_once() -> None:
    answers = Answers()
    budget = RequestBudget(answers, "k", per_minute=6_000)
    for _ in range(12):
        await budget.take()
    assert answers.asked == 2


async def test_a_hold_takes_back_what_is_in_hand() -> None:
    answers = Answers()
    budget = RequestBudget(answers, "k", per_minute=6_000)
    await budget.take()
    await budget.hold(5)
    await budget.take()
    assert answers.asked == 3


async def test_taking_waits_as_it_is_told_and_asks_again_after_a_second() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    budget = RequestBudget(Answers(1_500, 20), "k", per_minute=200, sleep=sleep)
    await budget.take()
    assert slept == [1.0, 0.02]


async def test_trying_tells_the_wait_instead() -> None:
    budget = RequestBudget(Answers(1_500), "k", per_minute=200)
    assert await budget.try_taking() == 1.5
    assert await budget.try_taking() == 0.0
