"""Has everything that was in the topics become readable? Waits until it has, in three steps.

1. The groups have committed what was in their topics at the call.
2. The tracker answers outreach events, and requests to rebuild, with records of its own: the risk
   engine has committed those, too, up to where they ended once the tracker had caught up.
3. What the risk engine took in by then is part of its results.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from aiokafka import TopicPartition

from reengage.offsets import GROUPS, behind
from shared.topics import OUTREACH_MESSAGES

POLL_SECONDS = 0.1

Behind = list[str]
"""What is not done yet, in words; empty: all is."""


class Offsets(Protocol):
    """What is asked of Kafka (`reengage.offsets.Kafka`)."""

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]: ...

    async def begins(self, topics: Iterable[str]) -> dict[TopicPartition, int]: ...

    async def committed(self, group: str) -> dict[TopicPartition, int]: ...


class Results(Protocol):
    """What is asked of the risk engine's database (`reengage.results.Unsettled`)."""

    async def behind(self) -> Behind: ...


class TooSlowError(Exception):
    """The time is over; says what is not done yet."""

    def __init__(self, still: Behind) -> None:
        super().__init__("; ".join(still))


async def await_everything(
    kafka: Offsets,
    results: Callable[[], Awaitable[Results]],
    *,
    untold: Callable[[], Awaitable[Behind]],
    timeout: float,  # noqa: ASYNC109 - TooSlowError names what is behind, a cancellation could not
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Returns when all is applied and readable; TooSlowError when that takes longer than `timeout` seconds.

    `untold` says whose messages the tracker is asked to tell anew (`reengage.rebuilding.untold`).
    `results` is called when step 3 begins: what is marked then is waited for.
    """
    deadline = monotonic() + timeout

    async def until(done: Callable[[], Awaitable[Behind]]) -> None:
        while still := await done():
            if monotonic() >= deadline:
                raise TooSlowError(still)
            await sleep(min(POLL_SECONDS, max(0.0, deadline - monotonic())))

    topics = [topic for topic, _ in GROUPS]
    await until(await _committed(kafka, topics))
    await until(untold)
    await until(await _committed(kafka, [OUTREACH_MESSAGES]))
    await until((await results()).behind)


async def _committed(kafka: Offsets, topics: Iterable[str]) -> Callable[[], Awaitable[Behind]]:
    """Whether the topics' groups are where the topics end now."""
    wanted = list(topics)
    begins, ends = await kafka.begins(wanted), await kafka.ends(wanted)

    async def still() -> Behind:
        pairs = [(topic, group) for topic, group in GROUPS if topic in wanted]
        committed: Mapping[str, Mapping[TopicPartition, int]] = {
            group: await kafka.committed(group) for group in dict.fromkeys(group for _, group in pairs)
        }
        counts = [(topic, group, behind(ends, begins, committed[group], topic)) for topic, group in pairs]
        return [f"{group} has {count} records of {topic} before it" for topic, group, count in counts if count]

    return still
