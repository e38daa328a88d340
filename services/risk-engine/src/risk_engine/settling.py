"""The second step: timelines that changed are settled, and results that ran out are renewed.

One process settles an organization, the owner of its home partition; if two do for a moment,
the transaction lets one of them win and the other find nothing left to add.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from risk_engine.computing import Compute, in_a_thread
from risk_engine.generations import Generations, nothing_to_rebuild
from risk_engine.pace import NEXT_SECONDS, Pace
from risk_engine.results import Batch, Results, work_of
from risk_engine.store.settlements import MongoSettlementStore
from risk_engine.store.standings import MongoStandingStore, Standing
from risk_engine.turns import BATCH, LANES, OVERLAPPING, SMALLEST_BATCH, Turns
from shared.clock import Clock
from shared.failpoints import reached
from shared.faults import describe, is_transient
from shared.logs import log_of
from shared.organizations import OrganizationDirectory
from shared.tasks import together
from shared.timelines import Document

LOOK = 12_000
"""Timelines that changed, looked for at once and read in batches."""

LOOK_FOLDING = 1_500
"""Likewise while large batches are folded. More of it leaves facts waiting, less of it sums."""

RENEWALS = 8_000
"""Results that ran out, likewise; fewer, since sums wait meanwhile."""

CROWD, MANY_BESIDE = SMALLEST_BATCH, 4 * SMALLEST_BATCH
"""An organization of which more timelines wait is settled by itself when there is a backlog: the others need not wait,
if not more than so many of them wait, too."""

AWAITED = 10_000_000
"""Microseconds that a timeline waits for the patient's record while more is folded: before, it counts for nothing,
and what is settled of it is soon settled again."""

SWITCH_SECONDS = 0.001
"""How long the thread that computes keeps the loop waiting, which has to fold meanwhile (Python's own: 5 ms)."""

IDLE_SECONDS = 0.1
"""Pause between looks for what other processes folded; our own wake us at once."""

LONGEST_PAUSE = 5.0
"""Between two attempts while a fault lasts."""

STUCK_SECONDS = 60.0
"""Without a round that went well: not ready."""

STILL_SECONDS = 120.0
"""Within a round without a batch that was written: likewise."""

_log = log_of("settling")


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
        self._results = Results(settlements, clock, compute)
        self._generations = Generations(settlements, standings, directory, clock, self._results, rebuilds)
        self._pace = Pace(clock)
        self._turns, self._turns_beside = Turns(clock), Turns(clock)
        self._crowds: frozenset[str] = frozenset()
        """Organizations that are settled in their turn, not beside the others."""
        self._passed_over: frozenset[str] = frozenset()
        """Organizations with too many timelines to be settled beside."""
        self._failing_since: float | None = None
        self._moved_at: float | None = None

    def fold(self, records: int) -> AbstractContextManager[None]:
        """So many records are folded meanwhile: then there is something to settle."""
        return self._pace.fold(records)

    async def run(self) -> None:
        """Settles for ever; waits transient faults out."""
        sys.setswitchinterval(SWITCH_SECONDS)
        await together(self._rounds(), _repeat(self.settle_beside_crowds), _repeat(self.clear))

    def not_ready(self) -> list[str]:
        """Why sums and assessments stay behind, if they do."""
        now, failing_since, moved_at = self._clock.monotonic(), self._failing_since, self._moved_at
        if failing_since is not None and now - failing_since >= STUCK_SECONDS:
            return [f"settling has failed for {now - failing_since:.0f} s"]
        if moved_at is not None and now - moved_at >= STILL_SECONDS:
            return [f"settling has stood still for {now - moved_at:.0f} s"]
        return []

    async def step(self) -> bool:
        """One round of everything; False when nothing was left to do."""
        homes = self._homes()
        if not homes:
            return False
        busy = await self.settle_dirty(homes)
        await self._generations.keep_up(homes)
        if not busy and not self._pace.folding and await self.renew_expired(homes):
            busy = True
        if self._generations.building:
            await self._turns.ended()  # what is built goes into the same sums
        return await self._generations.build() or busy

    async def clear(self) -> None:
        """Deletes what nobody needs any more, beside all else."""
        await self._generations.clear()

    async def _rounds(self) -> None:
        try:
            await self._round_after_round()
        finally:
            await self._turns.end()
            await self._turns_beside.end()

    async def _round_after_round(self) -> None:
        pause = IDLE_SECONDS
        while True:
            began = self._moved_at = self._clock.monotonic()
            try:
                busy = await self.step()
                pause, self._failing_since = IDLE_SECONDS, None
            except Exception as fault:
                if not is_transient(fault):
                    raise
                _log.warning("waiting", error=describe(fault))
                self._failing_since = self._failing_since or began
                busy, pause = False, min(pause * 2, LONGEST_PAUSE)
            self._moved_at = None
            if busy:
                continue
            if self._pace.folding:
                # Not woken by each batch: all that waits may lack its patient's record.
                await asyncio.sleep(max(pause, NEXT_SECONDS))
            else:
                await self._pace.idle(pause)

    # ---------------------------------------------------------------- dirty timelines

    async def settle_dirty(self, homes: Sequence[int]) -> bool:
        """Settles the timelines that have waited longest; False when there was none.

        Of a backlog only those of organizations with many: what little the others have is settled beside it.
        """
        folding = self._pace.folding
        look = LOOK_FOLDING if folding else LOOK
        dirty = await self._waiting(homes, look)
        if not dirty:
            self._crowds = self._passed_over = frozenset()
            return await self._turns.ended()
        turn = dirty
        self._crowds = frozenset()
        if folding or len(dirty) >= BATCH:
            self._crowds = _with_more_than(CROWD, dirty) | self._passed_over
            turn = [t for t in dirty if t["organization_id"] in self._crowds]
            if turn and folding:
                turn = await self._of_few(turn, homes)
            elif not turn and len(dirty) == look:  # many organizations with a few each, and the others beside them
                self._crowds, turn = _with_more_than(0, dirty), dirty
        # Folding goes on while one is written: then the fewest transactions are the least work.
        parts = 1 if folding else OVERLAPPING
        ahead = not folding and self._failing_since is None  # while a fault lasts, a round ends as its writes do
        await self._turns.take(turn or dirty, self._settled, self._write, parts, ahead=ahead)
        return True

    async def _of_few(self, crowded: list[dict[str, Any]], homes: Sequence[int]) -> list[dict[str, Any]]:
        """As many timelines, of the organizations whose turn it is and no others.

        The patients of an organization touch the same rollups: these are written once for all of them.
        """
        organizations = list(dict.fromkeys(t["organization_id"] for t in crowded))
        if len(organizations) <= LANES:
            return crowded
        found = [await self._waiting(homes, LOOK_FOLDING // LANES, of=one) for one in organizations[:LANES]]
        return [t for of_one in found for t in of_one]

    async def settle_beside_crowds(self) -> None:
        """Settles what waits beside a backlog of other organizations.

        Of whom many wait, too, though not for so long, belongs to the backlog, and has its turn there.
        """
        homes, backlog = self._homes(), self._crowds
        if not backlog or not homes:
            return
        passed_over: frozenset[str] = frozenset()
        dirty = await self._waiting(homes, BATCH, besides=backlog)
        while more := _with_more_than(MANY_BESIDE, dirty):
            passed_over |= more
            dirty = await self._waiting(homes, BATCH, besides=backlog | passed_over)
        self._passed_over = passed_over
        await self._turns_beside.take(dirty, self._settled, self._write)

    async def _waiting(
        self, homes: Sequence[int], limit: int, *, of: str | None = None, besides: frozenset[str] = frozenset()
    ) -> list[dict[str, Any]]:
        """Timelines to be settled, without those that are being written."""
        under_way = self._turns.under_way  # by now: what ends while we look may be found, too
        before = self._clock.now() - AWAITED if self._pace.folding else None
        found = await self._settlements.dirty(
            homes, limit + len(under_way), of=of, besides=sorted(besides), unrecorded_before=before
        )
        return [t for t in found if t["_id"] not in under_way][:limit]

    async def _settled(self, some: Sequence[Document]) -> Batch:
        timelines = await self._settlements.of_patients([t["_id"] for t in some])
        with_survivors = await self._with_survivors(timelines)
        standings = await self._standings_of({t["organization_id"] for t in with_survivors})
        return await self._results.of(timelines, work_of(with_survivors, standings))

    async def _write(self, batch: Batch) -> None:
        await self._write_results(batch)
        self._moved()

    def _moved(self) -> None:
        if self._moved_at is not None:
            self._moved_at = self._clock.monotonic()

    async def _write_results(self, batch: Batch) -> None:
        if batch.results:
            reached("settling.before_transaction")
            await self._settlements.write(batch.results, batch.addition, batch.now)
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
        batch = await self._results.of(timelines, work_of(timelines, standings), with_contribution=False)
        return batch._replace(expired={a["_id"] for a in expired})

    async def _refresh(self, batch: Batch) -> None:
        await self._settlements.refresh(batch.results)
        await self._settlements.let_stand(batch.expired - {s.id for s in batch.results})
        self._moved()


async def _repeat(work: Callable[[], Awaitable[None]]) -> None:
    pause = IDLE_SECONDS
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
            pause = IDLE_SECONDS
        except Exception as fault:
            if not is_transient(fault):
                raise
            _log.warning("waiting", error=describe(fault))
            pause = min(pause * 2, LONGEST_PAUSE)


def _with_more_than(few: int, dirty: Iterable[Document]) -> frozenset[str]:
    """The organizations with more timelines than a few."""
    waiting = Counter(t["organization_id"] for t in dirty)
    return frozenset(organization for organization, count in waiting.items() if count > few)
