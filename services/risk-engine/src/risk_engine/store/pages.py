"""Rollups in which too many single instants lie are continued on further pages.

MongoDB reads and writes a document whole: where thousands of instants lie in one, each further one costs as much as
all before it, and at 16 MB there is no room for more. (Sums of hours, days and months have as many fields as there are
of them.) Pages add up, so it does not matter which holds what: an engine that knows nothing of the pages there
are begins with the rollup itself.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from pymongo import UpdateOne

from risk_engine.settlement import Update
from shared.mongo import Collection
from shared.rollups import scope_of

LARGE = 64 * 1024
"""Bytes: larger, a rollup goes on on another page."""

LOOK_AFTER = 1_000
"""Counters of single instants changed on a page (a new one takes 30 to 60 bytes) before its size is asked for."""

REMEMBERED = 10_000
"""Rollups of which is remembered on which page is written."""


class _Page:
    def __init__(self, page_id: str) -> None:
        self.id = page_id
        self.changed = 0


class Pages:
    """On which page of each rollup is written now."""

    def __init__(self, rollups: Collection) -> None:
        self._rollups = rollups
        self._pages: dict[str, _Page] = {}

    async def turn(self, updates: Sequence[Update]) -> None:
        """Begins another page for those of the rollups whose page has become large."""
        doubtful = {}
        for update in updates:
            if not update.instants:
                continue
            page = self._pages.pop(update.rollup, None) or _Page(update.rollup)
            self._pages[update.rollup] = page
            page.changed += update.instants
            if page.changed > LOOK_AFTER:
                doubtful[page.id] = update.rollup
                page.changed = 0
        while len(self._pages) > max(REMEMBERED, len(updates)):
            del self._pages[next(iter(self._pages))]
        if doubtful:
            size = {"size": {"$bsonSize": "$$ROOT"}}
            found = await self._rollups.find({"_id": {"$in": list(doubtful)}}, size).to_list()
            for full in (page["_id"] for page in found if page["size"] > LARGE):
                rollup = doubtful[full]
                self._pages[rollup] = _Page(f"{rollup}#{secrets.token_hex(4)}")

    def written(self, updates: Sequence[Update]) -> list[UpdateOne]:
        """What writes the updates, each on its page; in this order."""
        writes: list[UpdateOne] = []
        for update in updates:
            page = self._pages.get(update.rollup)
            page_id = update.rollup if page is None else page.id
            if page_id != update.rollup:
                names: dict[str, Any] = {"scope": scope_of(update.rollup), "page_of": update.rollup}
                writes.append(UpdateOne({"_id": page_id}, {"$setOnInsert": names}, upsert=True))
            writes.append(UpdateOne({"_id": page_id}, update.operation, upsert=True))
        return writes
