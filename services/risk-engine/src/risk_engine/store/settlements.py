"""Results in MongoDB: contributions, sums and assessments change together or not at all."""

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence, Set
from typing import Any

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from risk_engine.settlement import Addition, Settled, is_newer, is_same, lacks, mark, updates
from risk_engine.store.pages import Pages
from rules.instants import FOREVER
from shared.assessments import INDEXES
from shared.mongo import Collection, DatabaseClient, Session
from shared.rollups import ROLLUPS, scope
from shared.timelines import ASSESSMENTS, DATABASE, STANDINGS, TIMELINES, Document, merged_timelines, timeline_id

CONTRIBUTIONS = "contributions"
BY_SCOPE = (CONTRIBUTIONS, ROLLUPS, ASSESSMENTS)


def expired_assessment(assessment: Document) -> dict[str, Any]:
    """What is known of an assessment to be renewed."""
    organization_id = assessment["scope"].rsplit("|", 1)[0]
    return {
        "_id": assessment["_id"],
        "home": assessment["home"],
        "organization_id": organization_id,
        "timeline": timeline_id(organization_id, assessment["patient_id"]),
    }


class MongoSettlementStore:
    """Reads what is to be settled, writes what came out."""

    def __init__(self, client: DatabaseClient) -> None:
        self._client = client
        self._database = database = client[DATABASE]
        self._timelines = database[TIMELINES]
        self._contributions = database[CONTRIBUTIONS]
        self._rollups = database[ROLLUPS]
        self._pages = Pages(self._rollups)
        self._assessments = database[ASSESSMENTS]
        self._standings = database[STANDINGS]

    async def create_indexes(self) -> None:
        """And the collections without any; idempotent."""
        await self._database.create(CONTRIBUTIONS, ROLLUPS)
        for name, keys in INDEXES:
            await self._assessments.create_index(keys, name=name)
        await self._rollups.create_index(
            [("page_of", 1)], name="pages", partialFilterExpression={"page_of": {"$exists": True}}
        )
        await self._timelines.create_index(
            [("failed", 1)], name="failed", partialFilterExpression={"failed": {"$exists": True}}
        )

    # ---------------------------------------------------------------- what is to be settled

    async def dirty(
        self,
        homes: Sequence[int],
        limit: int,
        *,
        of: str | None = None,
        besides: Sequence[str] = (),
        unrecorded_before: int | None = None,
    ) -> list[dict[str, Any]]:
        """Timelines that changed since they were settled, those that waited longest first.

        `_id`, `home` and `organization_id` of each; all of one organization, or none of those `besides`, and with `unrecorded_before`
        none that lacks the patient's record and has waited only since then (µs).
        """
        query: dict[str, Any] = {"home": {"$in": list(homes)}, "dirty": {"$exists": True}}
        if unrecorded_before is not None:
            counting = [{name: {"$exists": True}} for name in ("contact", "erased")]
            query["$or"] = [*counting, {"dirty": {"$lt": unrecorded_before}}]
        if of is not None:
            query["organization_id"] = of
        elif besides:
            query["organization_id"] = {"$nin": list(besides)}
        hint = "dirty_by_organization" if "organization_id" in query else "dirty_by_home"
        fields = {"home": 1, "organization_id": 1}
        return await self._timelines.find(query, fields, sort=[("dirty", 1)], limit=limit, hint=hint).to_list()

    async def of_patients(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Timelines by `_id`."""
        return await self._timelines.find({"_id": {"$in": list(ids)}}).to_list()

    async def after(self, organization_id: str, last: str, limit: int) -> list[dict[str, Any]]:
        """An organization's timelines in order of their `_id`s, after one of them."""
        query = {"organization_id": organization_id, "_id": {"$gt": last}}
        return await self._timelines.find(query, sort=[("_id", 1)], limit=limit).to_list()

    async def merged_into(self, survivors: list[str]) -> dict[str, list[dict[str, Any]]]:
        """The timelines merged into these, now or before, chains followed, by the survivor's `_id`."""
        return await merged_timelines(self._timelines, survivors)

    async def expired(self, homes: Sequence[int], now: int, limit: int) -> list[dict[str, Any]]:
        """Assessments that stand no longer: `_id`, `home`, and the `_id` of the `timeline`."""
        query = {"home": {"$in": list(homes)}, "until": {"$lte": now}}
        fields = {"home": 1, "scope": 1, "patient_id": 1}
        found = self._assessments.find(query, fields, sort=[("until", 1)], limit=limit, hint="expired_by_home")
        return [expired_assessment(a) for a in await found.to_list()]

    async def contributions_of(self, ids: Sequence[str], session: Session = None) -> dict[str, dict[str, Any]]:
        """Those stored, by `_id`."""
        found = self._contributions.find({"_id": {"$in": list(ids)}}, session=session)
        return {contribution["_id"]: contribution for contribution in await found.to_list()}

    # ---------------------------------------------------------------- what came out

    async def write(self, settled: Sequence[Settled], addition: Addition, applied_at: int | None) -> None:
        """Replaces contributions and assessments, and adds the differences to the sums.

        Results computed from older timelines than the stored ones are left out, and those of generations that are
        neither served nor built any more: nobody would ever delete them. Where what is stored is not
        what the addition was worked out against, it is worked out again. `applied_at` is when the facts behind
        the results came to count; None: they had counted before.
        """

        await self._pages.turn(addition.updates)

        async def transaction(session: Session) -> None:
            ids = [s.id for s in settled]
            marks = {"basis": 1, "grain": 1}
            found = await self._contributions.find({"_id": {"$in": ids}}, marks, session=session).to_list()
            stored = {doc["_id"]: doc for doc in found}
            followed = await self._followed({s.generation.organization_id for s in settled}, session)
            current = [
                s
                for s in settled
                if s.generation.scope in followed and (s.id not in stored or not is_newer(stored[s.id], s.basis))
            ]
            outdated = await self._outdated([s for s in current if s.id not in stored], session)
            for s in current:
                if s.id in stored and (lacking := lacks(stored[s.id], s.basis)):
                    timeline = timeline_id(s.generation.organization_id, s.patient_id)
                    merged = await merged_timelines(self._timelines, [timeline], session)
                    if not lacking.isdisjoint(loser["_id"] for losers in merged.values() for loser in losers):
                        outdated.add(s.id)  # merged into the patient after these timelines were read
            current = [s for s in current if s.id not in outdated]
            if not current:
                return
            into_sums = addition.updates
            if len(current) < len(settled) or addition.replaced != {name: mark(doc) for name, doc in stored.items()}:
                replaced = await self.contributions_of([s.id for s in current], session)
                into_sums = updates((s, replaced.get(s.id)) for s in current)
            if into_sums:
                await self._rollups.bulk_write(self._pages.written(into_sums), session=session)
            contributions = {s.id: s.contribution if s.assessment is not None else None for s in current}
            await _put(self._contributions, contributions, stored, session)
            assessments = {s.id: s.assessment for s in current}
            known = await self._assessments.find(
                {"_id": {"$in": list(assessments)}}, {"_id": 1}, session=session
            ).to_list()
            await _put(self._assessments, assessments, {document["_id"] for document in known}, session)
            await self._tell_standings(current, stored, applied_at, session)

        await self._client.with_transaction(transaction)

    async def _followed(self, organizations: Set[str], session: Session) -> set[str]:
        """The scopes whose results are served, or built to be served.

        Whoever changes that changes the standing, which is written here, too: then one of both begins anew.
        """
        query = {"_id": {"$in": sorted(organizations)}, "removed": {"$exists": False}}
        found = self._standings.find(query, {"generation": 1, "building.generation": 1}, session=session)
        return {
            scope(standing["_id"], part["generation"])
            for standing in await found.to_list()
            for part in (standing, standing.get("building"))
            if part
        }

    async def _tell_standings(
        self, settled: Sequence[Settled], stored: Mapping[str, Document], applied_at: int | None, session: Session
    ) -> None:
        """When the newest fact was applied, and by how many patients each generation grew."""
        growth: dict[str, Counter[str]] = {}
        for s in settled:
            size = growth.setdefault(s.generation.organization_id, Counter())
            size[f"patients.{s.generation.number}"] += (s.assessment is not None) - (s.id in stored)
        of_facts: set[str] = set()
        if applied_at is not None:
            news = (s for s in settled if s.id not in stored or not is_same(stored[s.id], s.basis))
            of_facts = {s.generation.organization_id for s in news}
        changes = []
        for organization, size in sorted(growth.items()):
            newest = {"$max": {"applied_at": applied_at}} if organization in of_facts else {}
            changes.append(UpdateOne({"_id": organization}, {**newest, "$inc": dict(size)}))
        await self._standings.bulk_write(changes, session=session)

    async def _outdated(self, settled: Sequence[Settled], session: Session) -> set[str]:
        """Of results that would be first ones, those whose timeline is gone or has moved on.

        Where a patient was erased there is no stored basis to compare with: a settler that read
        the timeline before must not bring it back.
        """
        ids = {s.id: timeline_id(s.generation.organization_id, s.patient_id) for s in settled}
        found = self._timelines.find({"_id": {"$in": list(ids.values())}}, {"revision": 1}, session=session)
        revisions = {timeline["_id"]: timeline["revision"] for timeline in await found.to_list()}
        return {s.id for s in settled if revisions.get(ids[s.id], math.inf) > dict(s.basis).get(ids[s.id], -1)}

    async def refresh(self, settled: Sequence[Settled]) -> None:
        """Replaces assessments that ran out, where they were made from the same timelines."""
        updates = [
            ReplaceOne({"_id": s.id, "basis": s.assessment["basis"]}, s.assessment)
            for s in settled
            if s.assessment is not None
        ]
        if updates:
            await self._assessments.bulk_write(updates, ordered=False)

    async def let_stand(self, ids: Set[str]) -> None:
        """Assessments of retired generations, which nobody renews."""
        if ids:
            await self._assessments.update_many({"_id": {"$in": list(ids)}}, {"$set": {"until": FOREVER}})

    async def mark_settled(self, timelines: Sequence[Document]) -> None:
        """They are dirty no longer, unless they changed meanwhile; erased ones are gone for good."""
        await self._delete_of_retired([t for t in timelines if "erased" in t])
        same: dict[tuple[int, bool], list[str]] = {}
        for t in timelines:
            same.setdefault((t["revision"], "erased" in t), []).append(t["_id"])
        updates: list[Any] = []
        for (revision, erased), ids in same.items():  # after a backlog many have the same revision
            of = {"_id": {"$in": ids}, "revision": revision}
            updates.append(DeleteMany(of) if erased else UpdateMany(of, {"$unset": {"dirty": "", "failed": ""}}))
        if updates:
            await self._timelines.bulk_write(updates, ordered=False)

    async def _delete_of_retired(self, erased: Sequence[Document]) -> None:
        """What generations that are served no longer hold of erased patients need not wait until these are deleted."""
        if not erased:
            return
        organizations = sorted({t["organization_id"] for t in erased})
        found = await self._standings.find({"_id": {"$in": organizations}}, {"retired.generation": 1}).to_list()
        retired = {standing["_id"]: [each["generation"] for each in standing["retired"]] for standing in found}
        ids = [
            f"{scope(t['organization_id'], generation)}|{t['patient_id']}"
            for t in erased
            for generation in retired.get(t["organization_id"], ())
        ]
        if ids:
            for collection in (self._assessments, self._contributions):
                await collection.delete_many({"_id": {"$in": ids}})

    async def set_aside(self, timelines: Sequence[Document], errors: Mapping[str, str]) -> None:
        """They are not tried again before they change, or are rebuilt; what was settled of them before stands."""
        updates = [
            UpdateOne(
                {"_id": t["_id"], "revision": t["revision"]},
                {"$unset": {"dirty": ""}, "$set": {"failed": errors[t["_id"]]}},
            )
            for t in timelines
        ]
        if updates:
            await self._timelines.bulk_write(updates, ordered=False)


async def _put(
    collection: Collection,
    documents: Mapping[str, Mapping[str, Any] | None],
    stored: Container[str],
    session: Session,
) -> None:
    """Makes these the documents stored by their `_id`s; of those that are None there is none.

    What is not `stored` is inserted, which costs MongoDB less than replacing what is not there.
    """
    changes: list[Any] = []
    for name, document in documents.items():
        if document is None:
            changes.append(DeleteOne({"_id": name}))
        elif name in stored:
            changes.append(ReplaceOne({"_id": name}, document))
        else:
            changes.append(InsertOne(document))
    await collection.bulk_write(changes, ordered=False, session=session)
