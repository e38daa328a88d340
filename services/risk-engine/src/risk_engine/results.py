"""From timelines to their results, many at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from risk_engine.computing import Compute, Inputs, Work
from risk_engine.settlement import Addition, Failed, Settled
from risk_engine.store.settlements import MongoSettlementStore
from risk_engine.store.standings import Standing, generations_of
from shared.clock import Clock
from shared.faults import StatedError
from shared.logs import log_of
from shared.timelines import Document

FEW_FAILURES = 20
"""So many patients of a batch may be set aside; if more than these and half of it fail, our code is broken."""

_log = log_of("results")


class SettlingError(StatedError):
    """Most patients fail: that is no patient's fault."""


class Batch(NamedTuple):
    """What was read, and what came of it."""

    timelines: Sequence[Document]
    results: list[Settled]
    addition: Addition
    now: int
    failed: Mapping[str, str] = MappingProxyType({})
    """Why nothing could be computed, by the timeline's `_id`."""
    expired: frozenset[str] | set[str] = frozenset()
    """`_id`s of the assessments that are to be renewed."""


class Results:
    """Computes them, with the timelines merged into those that it is given."""

    def __init__(self, settlements: MongoSettlementStore, clock: Clock, compute: Compute) -> None:
        self._settlements = settlements
        self._clock = clock
        self._compute = compute

    async def of(self, timelines: Sequence[Document], work: Sequence[Work], *, with_contribution: bool = True) -> Batch:
        """What comes of the work; raises SettlingError when most of it fails."""
        now = self._clock.now()
        if not work:
            return Batch(timelines, [], Addition([], {}), now)
        merged = await self._settlements.merged_into([t["_id"] for t, _ in work])
        contributions = None
        if with_contribution:
            ids = [f"{generation.scope}|{timeline['patient_id']}" for timeline, generation in work]
            contributions = await self._settlements.contributions_of(ids)
        outcomes, addition = await self._compute(Inputs(work, merged, now, contributions))
        failed = {one.timeline: one.error for one in outcomes if isinstance(one, Failed)}
        _tell(failed, among=len(work))
        return Batch(timelines, [one for one in outcomes if isinstance(one, Settled)], addition, now, failed)


def _tell(failed: Mapping[str, str], *, among: int) -> None:
    if not failed:
        return
    errors = sorted(set(failed.values()))[:5]
    if len(failed) > max(FEW_FAILURES, among // 2):
        raise SettlingError(f"{len(failed)} of {among} results could not be computed: {'; '.join(errors)}")
    _log.error("patients could not be settled", count=len(failed), errors=errors)


def work_of(timelines: Sequence[Document], standings: Mapping[str, Standing]) -> list[Work]:
    """Each timeline with the generations that must follow it; none for organizations unknown."""
    coming = Counter(t["organization_id"] for t in timelines)
    generations = {
        organization: generations_of(standing, coming[organization]) for organization, standing in standings.items()
    }
    return [(timeline, one) for timeline in timelines for one in generations.get(timeline["organization_id"], ())]
