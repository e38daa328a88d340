"""Results computed anew beside those that are served, and the end of what nobody needs any more."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from risk_engine.results import Results
from risk_engine.store.settlements import MongoSettlementStore
from risk_engine.store.standings import MongoStandingStore, Standing, generation_of, is_current
from risk_engine.turns import BATCH
from shared.clock import Clock
from shared.organizations import OrganizationDirectory
from shared.timelines import home_partition

UPKEEP_SECONDS = 1.0
UPKEEP_SHARE = 0.05
"""Of the time; so with thousands of organizations it comes less often."""

BUILDING_SECONDS = 2.0
"""At a stretch, before facts have their turn again."""


async def nothing_to_rebuild() -> Mapping[str, int]:
    """Where nobody asks for it."""
    return {}


class Generations:
    """Sees to the generations of the organizations of some homes."""

    def __init__(
        self,
        settlements: MongoSettlementStore,
        standings: MongoStandingStore,
        directory: OrganizationDirectory,
        clock: Clock,
        results: Results,
        rebuilds: Callable[[], Awaitable[Mapping[str, int]]],
    ) -> None:
        self._settlements = settlements
        self._standings = standings
        self._directory = directory
        self._clock = clock
        self._results = results
        self._rebuilds = rebuilds
        self._due = 0.0
        self._building: list[str] = []
        self._retired: list[Standing] = []
        self._removed: list[str] = []

    async def clear(self) -> None:
        """Deletes what `keep_up` found to be retired long enough ago or removed; a large organization takes minutes."""
        retired, self._retired = self._retired, []
        for standing in retired:
            await self._standings.discard_retired(standing, self._clock.now())
        removed, self._removed = self._removed, []
        if removed:
            await self._standings.purge(removed)

    async def keep_up(self, homes: Sequence[int]) -> None:
        """Begins what settings, rules or requests ask for, and finds what is to be cleared; not at every call."""
        began = self._clock.monotonic()
        if began < self._due:
            return
        await self._keep_up(homes)
        ended = self._clock.monotonic()
        self._due = ended + max(UPKEEP_SECONDS, (ended - began) / UPKEEP_SHARE)

    @property
    def building(self) -> bool:
        """There is something to build."""
        return bool(self._building)

    async def build(self) -> bool:
        """Builds for a while; False when there is nothing to build."""
        if not self._building:
            return False
        until = self._clock.monotonic() + BUILDING_SECONDS
        while self._building and self._clock.monotonic() < until:
            organization_id = self._building.pop(0)
            if await self._build(organization_id):
                self._building.append(organization_id)
        return True

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
        self._retired = [standing for standing in standings.values() if standing["retired"]]
        self._removed = [each.id for each in await self._directory.removed() if home_partition(each.id) in homes]

    async def _build(self, organization_id: str) -> bool:
        """Builds a batch; False when nothing more is to come."""
        standing = (await self._standings.of([organization_id])).get(organization_id)
        if standing is None or standing["building"] is None:
            return False
        building = standing["building"]
        timelines = await self._settlements.after(organization_id, building["after"], BATCH)
        if not timelines:
            await self._standings.swap(standing, self._clock.now())
            return False
        generation = generation_of(standing, building, len(timelines))
        batch = await self._results.of(timelines, [(timeline, generation) for timeline in timelines])
        mended = [t for t in timelines if "failed" in t and t["_id"] not in batch.failed]
        await self._settlements.write(batch.results, batch.addition, batch.now if mended else None)
        await self._settlements.mark_settled(mended)
        await self._standings.built_to(standing, timelines[-1]["_id"])
        return True
