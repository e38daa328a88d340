"""Timelines in MongoDB: every fact is one guarded update, so no reader's copy can overwrite it.

A fact is set where the stored version is older; the guard is part of the update's filter, which
MongoDB checks again when it writes. So two processes that own a partition at once, a replay, or
a late record change nothing.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from risk_engine.changes import Change
from risk_engine.erasure import anonymous_timeline
from risk_engine.store.identities import erasure_id
from shared.clock import Clock
from shared.mongo import Collection, Database, Session
from shared.timelines import TIMELINES, facts_with_merged, home_partition, timeline_id

DUPLICATE_KEY = 11_000
ERASURES = "erasures"


class MongoTimelineStore:
    """The collections `timelines` and `erasures`."""

    def __init__(self, database: Database, clock: Clock, transact: Callable[..., Any]) -> None:
        self._timelines: Collection = database[TIMELINES]
        self._erasures: Collection = database[ERASURES]
        self._clock = clock
        self._transact = transact

    async def create_indexes(self) -> None:
        """Idempotent."""
        await self._timelines.create_index(
            [("home", 1), ("dirty", 1)],
            name="dirty_by_home",
            partialFilterExpression={"dirty": {"$exists": True}},
        )
        await self._timelines.create_index(
            [("merged_into", 1)],
            name="merged_into",
            partialFilterExpression={"merged_into": {"$exists": True}},
        )
        await self._timelines.create_index([("organization_id", 1), ("_id", 1)], name="organization")
        await self._timelines.create_index(
            [("organization_id", 1), ("contact.created_at", -1), ("_id", 1)], name="newest"
        )
        await self._timelines.create_index(
            [("organization_id", 1), ("merged_into", 1)],
            name="merged_by_organization",
            partialFilterExpression={"merged_into": {"$exists": True}},
        )

    async def erased(self, timelines: set[str]) -> set[str]:
        """Those of the timelines whose patients were erased."""
        by_marker = {erasure_id(timeline): timeline for timeline in timelines}
        found = self._erasures.find({"_id": {"$in": list(by_marker)}}, {"_id": 1})
        return {by_marker[marker["_id"]] for marker in await found.to_list()}

    async def fold(self, changes: Sequence[Change]) -> None:
        """Stores the changes durably; one that is not newer than what is stored changes nothing."""
        if not changes:
            return
        now = self._clock.now()
        try:
            await self._timelines.bulk_write(
                [self._update(change, now, upsert=True) for change in changes], ordered=False
            )
        except BulkWriteError as refused:
            errors = refused.details["writeErrors"]
            if any(error["code"] != DUPLICATE_KEY for error in errors):
                raise
            # A duplicate `_id`: the guard did not match, since the stored version is as new; or
            # the timeline was inserted by another just now. Without upsert both come out right.
            again = [self._update(changes[e["index"]], now, upsert=False) for e in errors]
            await self._timelines.bulk_write(again, ordered=False)

    def _update(self, change: Change, now: int, *, upsert: bool) -> UpdateOne:
        update: dict[str, Any] = {
            "$set": {change.field: change.fact, "dirty": now},
            "$inc": {"revision": 1},
        }
        if change.field == "contact":
            if change.merged_into is not None:
                update["$set"]["merged_into"] = change.merged_into
            else:
                update["$unset"] = {"merged_into": ""}
        if upsert:
            update["$setOnInsert"] = {
                "organization_id": change.organization_id,
                "patient_id": change.patient_id,
                "home": home_partition(change.organization_id),
            }
        newer = {"$not": {"$gte": change.version}}
        return UpdateOne({"_id": change.timeline, f"{change.field}.v": newer}, update, upsert=upsert)

    async def erase(self, organization_id: str, patient_id: str, erased_at: int) -> None:
        """Replaces the patient's timeline by an anonymous one; a second time changes nothing."""
        timeline = timeline_id(organization_id, patient_id)
        marker = {"_id": erasure_id(timeline), "organization_id": organization_id, "erased_at": erased_at}
        with suppress(DuplicateKeyError):
            await self._erasures.insert_one(marker | {"stands_as": f"erased-{secrets.token_hex(12)}"})
        stored = await self._erasures.find_one({"_id": marker["_id"]})
        assert stored is not None
        await self._transact(lambda session: self._make_anonymous(timeline, stored, session))

    async def _make_anonymous(self, timeline: str, marker: dict[str, Any], session: Session) -> None:
        found = await self._timelines.find_one({"_id": timeline}, session=session)
        if found is None or "erased" in found:
            return
        merged = await self._merged_into([timeline], session)
        organization, stands_as = marker["organization_id"], marker["stands_as"]
        now = self._clock.now()
        common = {
            "organization_id": organization,
            "home": home_partition(organization),
            "revision": found["revision"] + 1,
            "dirty": now,
        }
        anonymous = anonymous_timeline(
            facts_with_merged(found, merged),
            timeline_id=timeline_id(organization, stands_as),
            patient_id=stands_as,
            erased_at=marker["erased_at"],
        )
        if "merged_into" in found:
            anonymous["merged_into"] = found["merged_into"]
        stub = {"_id": timeline, "patient_id": found["patient_id"], "erased": True}
        await self._timelines.bulk_write(
            [
                ReplaceOne({"_id": anonymous["_id"]}, anonymous | common, upsert=True),
                ReplaceOne({"_id": timeline}, stub | common),
            ],
            session=session,
        )

    async def _merged_into(self, survivors: list[str], session: Session) -> dict[str, list[dict[str, Any]]]:
        return await merged_timelines(self._timelines, survivors, session)


async def merged_timelines(
    timelines: Collection, survivors: list[str], session: Session = None
) -> dict[str, list[dict[str, Any]]]:
    """The timelines merged into these, chains followed, by the survivor's `_id`."""
    found: dict[str, list[dict[str, Any]]] = {}
    pending = [s for s in survivors if s not in found]
    while pending:
        losers = await timelines.find({"merged_into": {"$in": pending}}, session=session).to_list()
        found.update((survivor, []) for survivor in pending)
        for loser in losers:
            found[loser["merged_into"]].append(loser)
        pending = [loser["_id"] for loser in losers if loser["_id"] not in found]
    return found
