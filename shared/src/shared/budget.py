"""How often Cliniko may be asked with one API key: one budget, shared by all processes.

Cliniko counts the requests of a key's owner, whoever sends them. So the count is one document
in MongoDB, and the server's own clock ($$NOW) decides: processes need not agree on the time.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from pymongo.errors import DuplicateKeyError

WINDOW_MS = 61_000
"""Cliniko's minute and a second more: requests take their time from here to there."""

SINGLES_UP_TO = 1_000
"""Per minute. Above, a process takes several requests at once, so that the document stays small:
such limits exist on loopback only."""

LONGEST_WAIT_SECONDS = 1.0
"""Before it is asked again: a raised limit counts at once."""

CHUNK_MS = 1_000
"""How long a process may sit on requests that it took and did not make."""


class Collection(Protocol):
    """What is asked of `reengage.request_budgets` (`shared.mongo.Collection`)."""

    def find_one_and_update(
        self,
        query: Mapping[str, Any],
        update: Sequence[Mapping[str, Any]],
        /,
        *,
        projection: Mapping[str, Any],
        upsert: bool,
    ) -> Awaitable[Mapping[str, Any] | None]:
        """The document as it is after the update."""
        ...


class RequestBudget:
    """Admits requests with one API key: at most `per_minute` in any 60 seconds, in all processes.

    One instance for each key and event loop; waiting callers are admitted in their order. `per_minute`
    may be set anew at any time.
    """

    def __init__(
        self,
        budgets: Collection,
        key_hash: str,
        *,
        per_minute: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._budgets = budgets
        self._key_hash = key_hash
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._in_hand = 0
        self._in_hand_until = 0.0
        self.per_minute = per_minute

    @property
    def _chunk(self) -> int:
        return math.ceil(self.per_minute / SINGLES_UP_TO)

    async def take(self) -> None:
        """Returns when one request may be made, now: waits for it as long as it takes."""
        async with self._turn:
            while wait := await self._ask():
                await self._sleep(min(wait, LONGEST_WAIT_SECONDS))

    async def try_taking(self) -> float:
        """0.0 when one request may be made, now; else the seconds to wait before asking again.

        Asks at once: it does not queue behind those who wait in `take`.
        """
        return await self._ask()

    async def hold(self, seconds: float) -> None:
        """Admits nobody for so long, in all processes: Cliniko said that it had enough (429)."""
        until = {"$add": ["$$NOW", math.ceil(seconds * 1000)]}
        self._in_hand = 0
        await self._update([{"$set": {"held_until": {"$max": ["$held_until", until]}}}])

    async def _ask(self) -> float:
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._in_hand and now < self._in_hand_until:
                self._in_hand -= 1
                return 0.0
            answer = await self._update(_admission(self._chunk, self.per_minute))
            if answer["wait_ms"] > 0:
                return float(answer["wait_ms"]) / 1000
            self._in_hand = self._chunk - 1
            self._in_hand_until = now + CHUNK_MS / 1000
            return 0.0

    async def _update(self, pipeline: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        while True:
            try:
                found = await self._budgets.find_one_and_update(
                    {"_id": self._key_hash}, pipeline, projection={"wait_ms": 1}, upsert=True
                )
            except DuplicateKeyError:  # two first requests at once: the document is there now
                continue
            assert found is not None
            return found


def _admission(count: int, per_minute: int) -> list[dict[str, Any]]:
    """The update that admits `count` requests if the window has room for all of them.

    `wait_ms` of the result is 0 if it did, else the time until the oldest leaves the window.
    """
    recent = {
        "$filter": {
            "input": {"$ifNull": ["$spent", []]},
            "cond": {"$gt": ["$$this.at", {"$subtract": ["$$NOW", WINDOW_MS]}]},
        }
    }
    held = {"$max": [0, {"$subtract": [{"$ifNull": ["$held_until", "$$NOW"]}, "$$NOW"]}]}
    full = {"$gt": [{"$add": [{"$sum": "$spent.count"}, count]}, per_minute]}
    until_one_leaves = {"$max": [1, {"$subtract": [{"$add": [{"$min": "$spent.at"}, WINDOW_MS]}, "$$NOW"]}]}
    admitted = {"$concatArrays": ["$spent", [{"at": "$$NOW", "count": count}]]}
    return [
        {"$set": {"spent": recent}},
        {"$set": {"wait_ms": {"$max": [held, {"$cond": [full, until_one_leaves, 0]}]}}},
        {"$set": {"spent": {"$cond": [{"$eq": ["$wait_ms", 0]}, admitted, "$spent"]}}},
    ]
