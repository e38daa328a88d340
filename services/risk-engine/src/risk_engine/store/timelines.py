"""Timelines in MongoDB: every fact is one guarded update, so no reader's copy can overwrite it.

A fact is set where the stored version is older; the guard is part of the update's filter, which
MongoDB checks again when it writes. Facts of one patient that come together are set together; where
not all of them are newer, what is stored is read, and those that are newer are set. So two processes
that own a partition at once, a replay, or a late record change nothing.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from risk_engine.changes import Change
from risk_engine.erasure import anonymous_timeline
from shared.clock import Clock
from shared.erasure import erasure_id
from shared.mongo import Collection, Database, Session
from shared.timelines import TIMELINES, facts_with_merged, home_partition, merged_timelines, timeline_id

DUPLICATE_KEY = 11_000
ERASURES = "erasures"

LANES, FEW = 2, 100
"""Parts of a batch that are written at once, where it is of more than a few patients: MongoDB works on each with
one processor."""

BARE = {"_id", "organization_id", "patient_id", "home", "revision", "dirty", "failed", "erased"}
"""What a timeline has beside facts."""


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
            [("home", 1), ("organization_id", 1), ("dirty", 1)],
            name="dirty_by_organization",
            partialFilterExpression={"dirty": {"$exists": True}},
        )
        await self._timelines.create_index(
            [("merged_into", 1)],
            name="merged_into",
            partialFilterExpression={"merged_into": {"$exists": True}},
        )
        await self._timelines.create_index(
            [("survivors", 1)],
            name="survivors",
            partialFilterExpression={"survivors": {"$exists": True}},
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
        patients: dict[str, list[Change]] = {}
        for change in changes:
            patients.setdefault(change.timeline, []).append(change)
        pending = list(patients.values())
        lanes = LANES if len(pending) > FEW else 1
        parts = [self._fold(pending[number::lanes]) for number in range(lanes)]
        for outcome in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _fold(self, pending: Sequence[Sequence[Change]]) -> None:
        while pending:
            refused = await self._write([_update(of, self._clock.now()) for of in pending])
            pending = await self._still_newer([pending[number] for number in refused])

    async def _write(self, updates: Sequence[UpdateOne]) -> list[int]:
        """Those of the updates, by number, whose guards refused them: their upserts found the `_id` taken.

        Then some stored version is as new as one of the update's, or another inserted the timeline just now.
        """
        try:
            await self._timelines.bulk_write(updates, ordered=False)
        except BulkWriteError as refused:
            errors = refused.details["writeErrors"]
            if refused.details["writeConcernErrors"] or any(error["code"] != DUPLICATE_KEY for error in errors):
                raise
            return [error["index"] for error in errors]
        return []

    async def _still_newer(self, refused: Sequence[Sequence[Change]]) -> list[list[Change]]:
        """Of the changes, those that are newer than what is stored by now, by patient."""
        if not refused:
            return []
        found = await self._timelines.find({"_id": {"$in": [of[0].timeline for of in refused]}}).to_list()
        stored = {timeline["_id"]: timeline for timeline in found}
        newer = [[c for c in of if _version(stored.get(c.timeline, {}), c.field) < c.version] for of in refused]
        return [of for of in newer if of]

    async def erase(self, organization_id: str, patient_id: str, erased_at: int) -> None:
        """Replaces the patient's timeline by an anonymous one; a second time changes nothing.

        What was folded after all by a process that was late is dropped then: the marker, once its
        work is done, no longer tells which timeline is the anonymous one.
        """
        timeline = timeline_id(organization_id, patient_id)
        marker = {"_id": erasure_id(timeline), "organization_id": organization_id, "erased_at": erased_at}
        with suppress(DuplicateKeyError):
            await self._erasures.insert_one(marker | {"stands_as": f"erased-{secrets.token_hex(12)}"})
        held = {"$or": [{"_id": timeline}, {"survivors": timeline}]}
        if await self._timelines.find_one(held, {"_id": 1}) is None:  # most whom Cliniko lists as deleted
            await self._erasures.replace_one({"_id": marker["_id"]}, _done(marker))
        else:
            await self._transact(lambda session: self._make_anonymous(timeline, organization_id, session))

    async def _make_anonymous(self, timeline: str, organization: str, session: Session) -> None:
        marker = await self._erasures.find_one({"_id": erasure_id(timeline)}, session=session)
        assert marker is not None
        found = await self._timelines.find_one({"_id": timeline}, session=session)
        now = self._clock.now()
        if found is not None and not _is_bare(found):
            common = {
                "organization_id": organization,
                "home": home_partition(organization),
                "revision": found["revision"] + 1,
                "dirty": now,
            }
            stub = {"_id": timeline, "patient_id": found["patient_id"], "erased": True}
            await self._timelines.replace_one({"_id": timeline}, stub | common, session=session)
            if "stands_as" in marker and "erased" not in found:
                anonymous = await self._anonymous(found, marker, session)
                if anonymous["contact"]:  # who never was a patient counted nowhere
                    await self._timelines.insert_one(anonymous | common, session=session)
        # The merged patients' facts are part of the anonymous timeline now; they name it no longer.
        released = {
            "$unset": {"merged_into": "", "contact.merged_into": ""},
            "$min": {"dirty": now},
            "$inc": {"revision": 1},
        }
        await self._timelines.update_many({"merged_into": timeline}, released, session=session)
        await self._timelines.update_many({"survivors": timeline}, {"$pull": {"survivors": timeline}}, session=session)
        if "stands_as" in marker:
            await self._erasures.replace_one({"_id": marker["_id"]}, _done(marker), session=session)

    async def _anonymous(self, found: dict[str, Any], marker: dict[str, Any], session: Session) -> dict[str, Any]:
        stands_as = marker["stands_as"]
        merged = await merged_timelines(self._timelines, [found["_id"]], session)
        anonymous = anonymous_timeline(
            facts_with_merged(found, merged),
            timeline_id=timeline_id(found["organization_id"], stands_as),
            patient_id=stands_as,
            erased_at=marker["erased_at"],
        )
        if found.get("survivors"):
            anonymous["survivors"] = found["survivors"]
        survivor = found.get("merged_into")
        if survivor is not None:
            # Of an erased survivor the anonymous timeline holds these facts already.
            if await self._erasures.find_one({"_id": erasure_id(survivor)}, session=session):
                anonymous["contact"].pop("merged_into", None)
            else:
                anonymous["merged_into"] = survivor
        return anonymous


def _is_bare(timeline: dict[str, Any]) -> bool:
    """An erased patient's, into which nobody who was late has folded anything."""
    return "erased" in timeline and timeline.keys() <= BARE


def _done(marker: dict[str, Any]) -> dict[str, Any]:
    """What is left of a marker: nothing that leads to the anonymous timeline."""
    return {name: marker[name] for name in ("_id", "organization_id")}


def _version(timeline: dict[str, Any], field: str) -> str:
    """The stored version of a fact, less than any other when there is none."""
    fact: Any = timeline
    for name in field.split(".", 1):
        fact = fact.get(name, {})
    version: str = fact.get("v", "")
    return version


def _update(changes: Sequence[Change], now: int) -> UpdateOne:
    """One update of one patient's timeline: all of these facts are newer than what is stored, or none is set."""
    guarded: dict[str, Any] = {"_id": changes[0].timeline}
    update: dict[str, Any] = {
        "$set": {},
        "$min": {"dirty": now},  # as long as it stands, its index is left alone
        "$inc": {"revision": 1},
        "$setOnInsert": {
            "organization_id": changes[0].organization_id,
            "patient_id": changes[0].patient_id,
            "home": home_partition(changes[0].organization_id),
        },
    }
    for change in changes:
        guarded[f"{change.field}.v"] = {"$not": {"$gte": change.version}}
        update["$set"][change.field] = change.fact
        if change.field == "contact":
            if change.merged_into is not None:
                update["$set"]["merged_into"] = change.merged_into
                update["$addToSet"] = {"survivors": change.merged_into}
            else:
                update["$unset"] = {"merged_into": ""}
    return UpdateOne(guarded, update, upsert=True)
