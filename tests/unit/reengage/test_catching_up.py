"""The order in which `status --wait` waits, on a Kafka and results in memory."""

from collections.abc import Callable, Iterable

import pytest
from aiokafka import TopicPartition

from reengage.catching_up import Behind, TooSlowError, await_everything
from reengage.offsets import GROUPS, behind
from shared.topics import CONTACTS, OUTREACH_EVENTS, OUTREACH_MESSAGES

P = TopicPartition


class Clock:
    """Time that passes only while somebody sleeps; something happens at each sleep."""

    def __init__(self, *happenings: Callable[[], None]) -> None:
        self.now = 0.0
        self._happenings = list(happenings)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._happenings:
            self._happenings.pop(0)()

    def monotonic(self) -> float:
        return self.now


class Kafka:
    """Ends and commits, one partition for each topic."""

    def __init__(self, **ends: int) -> None:
        self.end = {topic: 0 for topic, _ in GROUPS} | {name.replace("_", "-"): end for name, end in ends.items()}
        self.commit: dict[str, int] = {}

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        return {P(topic, 0): self.end[topic] for topic in topics}

    async def begins(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        return {P(topic, 0): 0 for topic in topics}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        return {P(topic, 0): offset for topic, offset in self.commit.items() if (topic, group) in GROUPS}

    def publish(self, topic: str) -> None:
        self.end[topic] += 1

    def catch_up(self, topic: str) -> None:
        self.commit[topic] = self.end[topic]


class Results:
    """What is behind, by call."""

    def __init__(self, *still: Behind) -> None:
        self._still = list(still)
        self.begun = 0

    async def begin(self) -> "Results":
        self.begun += 1
        return self

    async def behind(self) -> Behind:
        return self._still.pop(0) if self._still else []


async def wait(kafka: Kafka, results: Results, clock: Clock, *untold: Behind, seconds: float = 60) -> None:
    still = list(untold)

    async def tracker() -> Behind:
        return still.pop(0) if still else []

    await await_everything(
        kafka, results.begin, untold=tracker, timeout=seconds, sleep=clock.sleep, monotonic=clock.monotonic
    )


async def test_where_nothing_waits_nobody_does() -> None:
    clock = Clock()
    await wait(Kafka(), Results(), clock)
    assert clock.now == 0


async def test_what_comes_after_the_call_is_not_waited_for() -> None:
    kafka = Kafka(cliniko_contacts=5)

    def happen() -> None:
        kafka.catch_up(CONTACTS)
        kafka.publish(CONTACTS)

    await wait(kafka, Results(), Clock(happen))


async def test_what_the_tracker_makes_of_the_events_is_waited_for_too() -> None:
    kafka, results, seen = Kafka(outreach_events=1), Results(), []

    def tracker_catches_up() -> None:
        kafka.publish(OUTREACH_MESSAGES)
        kafka.catch_up(OUTREACH_EVENTS)

    def risk_engine_catches_up() -> None:
        seen.append(results.begun)
        kafka.catch_up(OUTREACH_MESSAGES)

    await wait(kafka, results, Clock(tracker_catches_up, risk_engine_catches_up))
    assert seen == [0]
    assert results.begun == 1


async def test_what_the_tracker_tells_anew_is_waited_for_too() -> None:
    kafka, results, seen = Kafka(), Results(), []

    def tracker_tells() -> None:
        kafka.publish(OUTREACH_MESSAGES)

    def risk_engine_catches_up() -> None:
        seen.append(results.begun)
        kafka.catch_up(OUTREACH_MESSAGES)

    await wait(kafka, results, Clock(tracker_tells, risk_engine_catches_up), ["org_a is told anew"])
    assert (seen, results.begun) == ([0], 1)


async def test_results_are_looked_at_once_all_is_read() -> None:
    results, clock = Results(["2 patients"], ["1 patient"]), Clock()
    await wait(Kafka(), results, clock)
    assert clock.now == pytest.approx(0.2)


async def test_when_the_time_is_over_it_says_who_is_behind() -> None:
    with pytest.raises(TooSlowError) as slow:
        await wait(Kafka(cliniko_appointments=5, outreach_events=2), Results(), Clock(), seconds=1)
    assert str(slow.value) == (
        "risk-engine has 5 records of cliniko-appointments before it; "
        "outreach-tracker has 2 records of outreach-events before it"
    )


async def test_when_the_time_is_over_results_are_named_too() -> None:
    clock = Clock()
    with pytest.raises(TooSlowError, match="2 patients"):
        await wait(Kafka(), Results(*[["2 patients"]] * 100), clock, seconds=1)
    assert clock.now == pytest.approx(1)


def test_lag_counts_what_is_held_and_not_committed() -> None:
    ends = {P("t", 0): 10, P("t", 1): 10, P("t", 2): 10, P("t", 3): 0, P("u", 0): 99}
    begins = {P("t", 0): 0, P("t", 1): 4, P("t", 2): 4, P("t", 3): 0}
    committed = {P("t", 0): 7, P("t", 1): 2, P("u", 0): 0}
    assert behind(ends, begins, committed, "t") == 3 + 6 + 6
    assert behind(ends, begins, {P("t", 0): 11}, "t") == 0 + 6 + 6
