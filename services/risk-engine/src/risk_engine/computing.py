"""Results of many timelines at once, and what they add to the sums."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from risk_engine.settlement import Addition, Failed, Generation, Memory, Settled, addition, settle
from shared.faults import place_of
from shared.timelines import Document, Merged

Work = tuple[Document, Generation]
"""What is settled: a timeline, for a generation."""


class Inputs(NamedTuple):
    """What results are computed from."""

    work: Sequence[Work]
    merged: Merged
    as_of: int
    contributions: Mapping[str, Document] | None
    """Those stored now, by `_id`; None: only assessments are asked for."""


class Computed(NamedTuple):
    """What comes of it."""

    outcomes: list[Settled | Failed]
    """In the order of the work."""
    addition: Addition


Compute = Callable[[Inputs], Awaitable[Computed]]


def compute(inputs: Inputs, memory: Memory | None = None) -> Computed:
    """The results of all of it; one that fails keeps none of the others back."""
    outcomes = [_outcome(timeline, generation, inputs, memory) for timeline, generation in inputs.work]
    if inputs.contributions is None:
        return Computed(outcomes, Addition([], {}))
    settled = [one for one in outcomes if isinstance(one, Settled)]
    return Computed(outcomes, addition(settled, inputs.contributions))


async def in_a_thread(inputs: Inputs) -> Computed:
    """Heartbeats and polls go on however long one patient's history is."""
    return await asyncio.to_thread(compute, inputs)


def _outcome(timeline: Document, generation: Generation, inputs: Inputs, memory: Memory | None) -> Settled | Failed:
    try:
        return settle(
            timeline,
            inputs.merged,
            generation,
            as_of=inputs.as_of,
            home=timeline["home"],
            with_contribution=inputs.contributions is not None,
            memory=memory,
        )
    except Exception as fault:  # noqa: BLE001 - whatever it is, the settler tells of it
        return Failed(timeline["_id"], f"{type(fault).__name__} at {place_of(fault)}")
