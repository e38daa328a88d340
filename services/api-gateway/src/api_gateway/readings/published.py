"""The risk engine's published read models, as the gateway finds them: standings, rollups,
assessments, timelines. Read only."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any

from api_gateway.standing import Standing, standing_before_facts
from rules.facts import ERASED_NAME, Facts
from rules.instants import format_instant
from rules.settings import rule_settings
from shared.mongo import DatabaseClient
from shared.organizations import Organization
from shared.rollups import ROLLUPS, Rollups, needed, parts, whole
from shared.timelines import (
    ASSESSMENTS,
    DATABASE,
    STANDINGS,
    TIMELINES,
    Document,
    facts_with_merged,
    timeline_id,
)

State = Counter[str]
Days = Counter[tuple[int, str]]

STREAM_BATCH = 2_000


class Published:
    """The collections of database `risk_engine` and the ingestor's `sync_status`."""

    def __init__(self, client: DatabaseClient) -> None:
        database = client[DATABASE]
        self._standings = database[STANDINGS]
        self._rollups = database[ROLLUPS]
        self.assessments = database[ASSESSMENTS]
        self._timelines = database[TIMELINES]
        self._sync_status = client["ingestor"]["sync_status"]

    async def standing(self, organization: Organization) -> Standing:
        """What is served now; before the first fact, nothing under the newest settings."""
        found = await self._standings.find_one({"_id": organization.id})
        if found is None:
            return standing_before_facts(organization)
        return Standing(
            organization.id,
            found["generation"],
            rule_settings(found["settings"]),
            found["settings"]["benchmark_source"],
            found["applied_at"],
        )

    async def rollups(self, ids: Iterable[str], under_way: Collection[str]) -> Rollups:
        """Rollups by `_id`, with their single instants where they are under way; those without any change are absent."""
        return whole(await self._rollups.find(needed(ids), parts(under_way)).to_list())

    async def state(self, standing: Standing, as_of: int) -> State:
        """The state figures as of an instant."""
        ladder = standing.ladder
        return ladder.state(await self.rollups(ladder.state_ids(as_of), ladder.under_way(as_of)), as_of)

    async def sync_status(self, organization_id: str) -> dict[str, Any] | None:
        """How the ingestor gets on with the organization."""
        return await self._sync_status.find_one({"_id": organization_id})

    # ---------------------------------------------------------------- timelines

    async def facts(self, organization_id: str, patient_ids: Sequence[str]) -> dict[str, Facts]:
        """Facts by patient id, merged patients' included; unknown patients are left out."""
        ids = [timeline_id(organization_id, patient_id) for patient_id in patient_ids]
        timelines = await self._timelines.find({"_id": {"$in": ids}}).to_list()
        merged = await self._merged_into([t["_id"] for t in timelines])
        return {t["patient_id"]: facts_with_merged(t, merged) for t in timelines}

    async def all_facts(self, organization_id: str) -> AsyncIterator[Facts]:
        """The facts of every patient of the organization, one after the other."""
        query = {"organization_id": organization_id}
        losers = self._timelines.find({**query, "merged_into": {"$exists": True}}, hint="merged_by_organization")
        merged: dict[str, list[Document]] = {}
        for loser in await losers.to_list():
            merged.setdefault(loser["merged_into"], []).append(loser)
        async for timeline in self._timelines.find(query, batch_size=STREAM_BATCH, hint="organization"):
            yield facts_with_merged(timeline, merged)

    async def newest_contacts(self, organization_id: str, as_of: int, limit: int) -> list[dict[str, Any]]:
        """The patients in scope whose records were created last, newest first."""
        query = {
            "organization_id": organization_id,
            "contact.created_at": {"$lte": as_of},
            "contact.gone_at": {"$not": {"$lte": as_of}},
            "contact.merged_at": {"$not": {"$lte": as_of}},
        }
        sort = [("contact.created_at", -1), ("_id", 1)]
        found = await self._timelines.find(
            query, {"patient_id": 1, "contact": 1}, sort=sort, limit=limit, hint="newest"
        ).to_list()
        return [
            {
                "id": t["patient_id"],
                "name": ERASED_NAME if t["contact"].get("erased") else t["contact"]["name"],
                "email": t["contact"].get("email"),
                "cliniko_patient_id": t["patient_id"],
                "created_at": format_instant(t["contact"]["created_at"]),
            }
            for t in found
        ]

    async def _merged_into(self, survivors: Sequence[str]) -> Mapping[str, Sequence[Document]]:
        found: dict[str, list[Document]] = {}
        pending = list(survivors)
        while pending:
            losers = await self._timelines.find({"merged_into": {"$in": pending}}).to_list()
            found.update((survivor, []) for survivor in pending)
            for loser in losers:
                found[loser["merged_into"]].append(loser)
            pending = [loser["_id"] for loser in losers if loser["_id"] not in found]
        return found
