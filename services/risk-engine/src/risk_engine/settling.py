"""The second step: timelines that changed are settled, and results that ran out are renewed.

One process settles an organization, the owner of its home partition; if two do for a moment,
the transaction lets one of them win and the other find nothing left to add.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from risk_engine.computing import Compute, Work, in_a_thread
from risk_engine.pace import Pace
from risk_engine.settlement import Failed, Settled
from risk_engine.store.settlements import MongoSettlementStore
from risk_engine.store.standings import (
    MongoStandingStore,
    Standing,
    generation_of,
    generations_of,
    is_current,
)
from risk_engine.turns import BATCH, Turns
from shared.clock import Clock
from shared.failpoints import reached
from shared.faults import StatedError, describe, is_transient
from shared.logs import log_of
from shared.organizations import OrganizationDirectory
from shared.timelines import Document, home_partition

LOOK = 24_000
"""Timelines that changed, looked for at once and read in batches: between two looks the lanes run empty."""

RENEWALS = 8_000
"""Results that ran out, likewise; fewer, since sums wait meanwhile."""

SWITCH_SECONDS = 0.001
"""How long the thread that computes keeps the loop waiting, which has to fold meanwhile (Python's own: 5 ms)."""

IDLE_SECONDS = 0.1
"""Pause between looks for what other processes folded; our own wake us at once."""

UPKEEP_SECONDS = 1.0
UPKEEP_SHARE = 0.05
"""Of the time; so with thousands of organizations it comes less often."""

FEW_FAILURES = 20
"""So many patients of a batch may be set aside; if more than these and half of it fail, our code is broken."""

STUCK_SECONDS = 60.0
"""Without a round that went well: not ready."""

_log = log_of("settling")


class SettlingError(StatedError):
    """Most patients fail: that is no patient's fault."""


class Batch(NamedTuple):
    """What was read, and what came of it."""

    timelines: Sequence[Document]
    results: list[Settled]
    now: int
    failed: Mapping[str, str] = MappingProxyType({})
    """Why nothing could be computed, by the timeline's `_id`."""
    expired: frozenset[str] | set[str] = frozenset()
    """`_id`s of the assessments that are to be renewed."""


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
        compute: Compute = in_a_thread,
    ) -> None:
        self._settlements = settlements
        self._standings = standings
        self._directory = directory
        self._clock = clock
        self._homes = homes
        self._rebuilds = rebuilds
        self._compute = compute
        self._pace = Pace(clock)
        self._upkeep_due = 0.0
        self._turns = Turns(clock)
        self._building: list[str] = []
        self._failing_since: float | None = None

    def wake(self, records: int = 0) -> None:
        """There is something to settle: so many records were folded just now."""
        self._pace.wake(records)

    async def run(self) -> None:
        """Settles for ever; waits transient faults out."""
        sys.setswitchinterval(SWITCH_SECONDS)
        pause = IDLE_SECONDS
        while True:
            began = self._clock.monotonic()
            try:
                busy = await self.step()
                pause, self._failing_since = IDLE_SECONDS, None
            except Exception as fault:
                if not is_transient(fault):
                    raise
                _log.warning("waiting", error=describe(fault))
                self._failing_since = self._failing_since or began
                busy, pause = False, min(pause * 2, 5.0)
            if not busy:
                await self._pace.idle(pause)
            else:
                await self._pace.give_way(self._clock.monotonic() - began)

    def not_ready(self) -> list[str]:
        """Why sums and assessments stay behind, if they do."""
        since = self._failing_since
        if since is None or (seconds := self._clock.monotonic() - since) < STUCK_SECONDS:
            return []
        return [f"settling has failed for {seconds:.0f} s"]

    async def step(self) -> bool:
        """One round of everything; False when nothing was left to do."""
        homes = self._homes()
        if not homes:
            return False
        busy = await self.settle_dirty(homes)
        if (began := self._clock.monotonic()) >= self._upkeep_due:
            await self._keep_up(homes)
            ended = self._clock.monotonic()
            self._upkeep_due = ended + max(UPKEEP_SECONDS, (ended - began) / UPKEEP_SHARE)
        if not busy and await self.renew_expired(homes):
            busy = True
        for organization_id in list(self._building):
            await self._build(organization_id)
            busy = True
        return busy

    # ---------------------------------------------------------------- dirty timelines

    async def settle_dirty(self, homes: Sequence[int]) -> bool:
        """Settles the timelines that have waited longest; False when there was none."""
        dirty = await self._settlements.dirty(homes, BATCH if self._pace.folding else LOOK)
        await self._turns.take(dirty, self._settled, self._write)
        return bool(dirty)

    async def _settled(self, some: Sequence[Document]) -> Batch:
        timelines = await self._settlements.of_patients([t["_id"] for t in some])
        with_survivors = await self._with_survivors(timelines)
        standings = await self._standings_of({t["organization_id"] for t in with_survivors})
        return await self._computed(timelines, _work(with_survivors, standings))

    async def _computed(
        self, timelines: Sequence[Document], work: Sequence[Work], *, with_contribution: bool = True
    ) -> Batch:
        now = self._clock.now()
        if not work:
            return Batch(timelines, [], now)
        merged = await self._settlements.merged_into([t["_id"] for t, _ in work])
        outcomes = await self._compute(work, merged, as_of=now, with_contribution=with_contribution)
        failed = {one.timeline: one.error for one in outcomes if isinstance(one, Failed)}
        _tell(failed, among=len(work))
        return Batch(timelines, [one for one in outcomes if isinstance(one, Settled)], now, failed)

    async def _write(self, batch: Batch) -> None:
        if batch.results:
            reached("settling.before_transaction")
            await self._settlements.write(batch.results, batch.now)
        reached("settling.before_mark_settled")
        await self._settlements.mark_settled([t for t in batch.timelines if t["_id"] not in batch.failed])
        if batch.failed:
            await self._settlements.set_aside([t for t in batch.timelines if t["_id"] in batch.failed], batch.failed)

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
        expired = await self._settlements.expired(homes, self._clock.now(), RENEWALS)
        await self._turns.take(expired, self._renewed, self._refresh)
        return bool(expired)

    async def _renewed(self, expired: Sequence[Document]) -> Batch:
        timelines = await self._settlements.of_patients(sorted({a["timeline"] for a in expired}))
        standings = await self._standings.of(sorted({t["organization_id"] for t in timelines}))
        batch = await self._computed(timelines, _work(timelines, standings), with_contribution=False)
        return batch._replace(expired={a["_id"] for a in expired})

    async def _refresh(self, batch: Batch) -> None:
        await self._settlements.refresh(batch.results)
        await self._settlements.let_stand(batch.expired - {s.id for s in batch.results})

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
        removed = [each.id for each in await self._directory.removed() if home_partition(each.id) in homes]
        if removed:
            await self._standings.purge(removed)

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
        generation = generation_of(standing, building, len(timelines))
        batch = await self._computed(timelines, [(timeline, generation) for timeline in timelines])
        await self._settlements.write(batch.results, batch.now)
        mended = [t for t in timelines if "failed" in t and t["_id"] not in batch.failed]
        await self._settlements.mark_settled(mended)
        await self._standings.built_to(standing, timelines[-1]["_id"])


def _tell(failed: Mapping[str, str], *, among: int) -> None:
    if not failed:
        return
    errors = sorted(set(failed.values()))[:5]
    if len(failed) > max(FEW_FAILURES, among // 2):
        raise SettlingError(f"{len(failed)} of {among} results could not be computed: {'; '.join(errors)}")
    _log.error("patients could not be settled", count=len(failed), errors=errors)


def _work(timelines: Sequence[Document], standings: dict[str, Standing]) -> list[Work]:
    """Each timeline with the generations that must follow it; none for organizations unknown."""
    coming = Counter(t["organization_id"] for t in timelines)
    generations = {
        organization: generations_of(standing, coming[organization]) for organization, standing in standings.items()
    }
    return [(timeline, one) for timeline in timelines for one in generations.get(timeline["organization_id"], ())]
