"""The second step: timelines that changed are settled, and results that ran out are renewed.

One process settles an organization, the owner of its home partition; if two do for a moment,
the transaction lets one of them win and the other find nothing left to add.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from risk_engine.settlement import Generation, Settled, settle
from risk_engine.store.settlements import MongoSettlementStore
from risk_engine.store.standings import (
    MongoStandingStore,
    Standing,
    generation_of,
    generations_of,
    is_current,
)
from shared.clock import Clock
from shared.failpoints import reached
from shared.faults import describe, is_transient
from shared.logs import log_of
from shared.organizations import OrganizationDirectory
from shared.timelines import Document, Merged, home_partition

BATCH = 250
"""Timelines settled in one transaction."""

IDLE_SECONDS = 0.1
"""Pause between looks for what other processes folded; our own wake us at once."""

UPKEEP_SECONDS = 1.0

_log = log_of("settling")


async def nothing_to_rebuild() -> Mapping[str, int]:
    """Where nobody asks for it."""
    return {}


class Settler:
    """Runs until cancelled; `homes` tells the partitions that this process owns now."""

    def __init__(
        self,
        settlements: MongoSettlementStore,
        standings: MongoStandingStore,
        directory: OrganizationDirectory,
        clock: Clock,
        homes: Callable[[], Sequence[int]],
        rebuilds: Callable[[], Awaitable[Mapping[str, int]]] = nothing_to_rebuild,
    ) -> None:
        self._settlements = settlements
        self._standings = standings
        self._directory = directory
        self._clock = clock
        self._homes = homes
        self._rebuilds = rebuilds
        self._woken = asyncio.Event()
        self._upkeep_due = 0.0
        self._building: list[str] = []
        self._away = False

    def wake(self) -> None:
        """There is something to settle."""
        self._woken.set()

    async def run(self) -> None:
        """Settles for ever; waits transient faults out."""
        pause = IDLE_SECONDS
        while True:
            try:
                busy = await self.step()
                pause = IDLE_SECONDS
            except Exception as fault:
                if not is_transient(fault):
                    raise
                _log.warning("waiting", error=describe(fault))
                busy, pause = False, min(pause * 2, 5.0)
            if not busy:
                await self._idle(pause)

    async def _idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()

    async def step(self) -> bool:
        """One round of everything; False when nothing was left to do."""
        homes = self._homes()
        if not homes:
            return False
        busy = await self.settle_dirty(homes)
        if self._clock.monotonic() >= self._upkeep_due:
            await self._keep_up(homes)
            self._upkeep_due = self._clock.monotonic() + UPKEEP_SECONDS
        if not busy and await self.renew_expired(homes):
            busy = True
        for organization_id in list(self._building):
            await self._build(organization_id)
            busy = True
        return busy

    # ---------------------------------------------------------------- dirty timelines

    async def settle_dirty(self, homes: Sequence[int]) -> bool:
        """Settles the timelines that have waited longest; False when there was none."""
        dirty = await self._settlements.dirty(homes, BATCH)
        if not dirty:
            return False
        timelines = await self._with_survivors(dirty)
        standings = await self._standings_of({t["organization_id"] for t in timelines})
        known = [t for t in timelines if t["organization_id"] in standings]
        work = [
            (timeline, generation)
            for timeline in known
            for generation in generations_of(standings[timeline["organization_id"]])
        ]
        await self._settle(work)
        reached("settling.before_mark_settled")
        await self._settlements.mark_settled(dirty)
        return True

    async def _settle(self, work: Sequence[tuple[Document, Generation]]) -> None:
        if not work:
            return
        merged = await self._settlements.merged_into([t["_id"] for t, _ in work])
        now = self._clock.now()
        settled = await self._compute(work, merged, now)
        reached("settling.before_transaction")
        await self._settlements.write(settled, now)

    async def _compute(
        self,
        work: Sequence[tuple[Document, Generation]],
        merged: Merged,
        now: int,
        *,
        with_contribution: bool = True,
    ) -> list[Settled]:
        def compute() -> list[Settled]:
            return [
                settle(
                    timeline,
                    merged,
                    generation,
                    as_of=now,
                    home=home_partition(generation.organization_id),
                    with_contribution=with_contribution,
                )
                for timeline, generation in work
            ]

        # In a thread: heartbeats and polls go on however long one patient's history is.
        return await asyncio.to_thread(compute)

    async def _with_survivors(self, timelines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = {t["_id"]: t for t in timelines}
        pending = {survivor for t in timelines for survivor in t.get("survivors", ())} - found.keys()
        while pending:
            survivors = await self._settlements.of_patients(sorted(pending))
            found.update((t["_id"], t) for t in survivors)
            pending = {survivor for t in survivors for survivor in t.get("survivors", ())} - found.keys()
        return list(found.values())

    async def _standings_of(self, organizations: set[str]) -> dict[str, Standing]:
        found = await self._standings.of(sorted(organizations))
        for organization_id in organizations - found.keys():
            organization = await self._directory.find(organization_id)
            if organization is not None:
                await self._standings.create(organization)
                found |= await self._standings.of([organization_id])
        return found

    # ---------------------------------------------------------------- what time changes

    async def renew_expired(self, homes: Sequence[int]) -> bool:
        """Renews assessments whose interval has passed; False when there was none."""
        now = self._clock.now()
        expired = await self._settlements.expired(homes, now, BATCH)
        if not expired:
            return False
        timelines = await self._settlements.of_patients(sorted(set(expired.values())))
        standings = await self._standings.of(sorted({t["organization_id"] for t in timelines}))
        work = [
            (timeline, generation)
            for timeline in timelines
            if timeline["organization_id"] in standings
            for generation in generations_of(standings[timeline["organization_id"]])
        ]
        merged = await self._settlements.merged_into([t["_id"] for t in timelines])
        renewed = await self._compute(work, merged, now, with_contribution=False)
        await self._settlements.refresh(renewed)
        await self._settlements.let_stand(expired.keys() - {s.id for s in renewed})
        return True

    # ---------------------------------------------------------------- generations

    async def _keep_up(self, homes: Sequence[int]) -> None:
        mine = [o for o in await self._directory.active() if home_partition(o.id) in homes]
        standings = await self._standings.of([o.id for o in mine])
        wanted = await self._rebuilds()
        self._building = []
        for organization in mine:
            standing = standings.get(organization.id)
            if standing is None:
                await self._standings.create(organization, wanted.get(organization.id, 0))
                continue
            rebuild = wanted.get(organization.id, 0)
            if not is_current(standing["building"] or standing, organization, rebuild):
                await self._standings.begin_building(standing, organization, rebuild)
                self._building.append(organization.id)
            elif standing["building"] is not None:
                self._building.append(organization.id)
            await self._standings.discard_retired(standing, self._clock.now())
        for removed in await self._directory.removed():
            if home_partition(removed.id) in homes:
                await self._standings.purge(removed.id)

    async def _build(self, organization_id: str) -> None:
        standing = (await self._standings.of([organization_id])).get(organization_id)
        if standing is None or standing["building"] is None:
            self._building.remove(organization_id)
            return
        building = standing["building"]
        timelines = await self._settlements.after(organization_id, building["after"], BATCH)
        if not timelines:
            await self._standings.swap(standing, self._clock.now())
            self._building.remove(organization_id)
            return
        generation = generation_of(standing, building)
        await self._settle([(timeline, generation) for timeline in timelines])
        await self._standings.built_to(standing, timelines[-1]["_id"])
