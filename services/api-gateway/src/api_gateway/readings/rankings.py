"""The places of all patients of an organization as of one instant, for every list at once."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from api_gateway.readings.published import Published
from api_gateway.standing import Standing
from rules.actions import next_action_day
from rules.facts import Facts
from rules.figures import flags_of, patient_class
from rules.score import risk_score
from rules.view import View

REMEMBERED_PATIENTS = 250_000
"""The places of so many patients are remembered at the most (about 60 MB)."""

READINGS_AT_ONCE = 2
"""Whole organizations in memory beside the remembered ones; a long reading leaves a turn to others."""

REMEMBERED_ORDERS = 6
YIELD_EVERY = 200

Key = tuple[int, str]
"""A sort key that ascends, and the patient id that breaks ties."""

Instant = tuple[str, int]
"""What a ranking is of: the scope of the results, and the instant."""


@dataclass(frozen=True)
class Order:
    """How a list is sorted: by one stored field, ascending or descending, then by patient id."""

    field: str
    descending: bool

    def key(self, document: dict[str, Any]) -> Key:
        """Ascends in the order of the list."""
        value = document[self.field]
        return (-value if self.descending else value, document["patient_id"])


ORDERS = {
    "risk_score": Order("score", descending=True),
    "days_since_contact": Order("counted_from", descending=False),
    "next_action_date": Order("next_action", descending=False),
}
BY_LAST_VISIT = Order("last_attended", descending=True)


class Selection(NamedTuple):
    """Patients of a list: those whose field has one of the values."""

    field: str
    values: tuple[Any, ...]


class Ranked(NamedTuple):
    """What a patient's place in any list depends on."""

    patient_id: str
    patient_class: int
    score: int
    counted_from: int
    next_action: int
    last_attended: int
    active: bool
    booked: bool


FIELDS = {name: place for place, name in enumerate(Ranked._fields)} | {"class": Ranked._fields.index("patient_class")}
"""Where a stored assessment's field stands in Ranked."""


def rank(facts: Facts, standing: Standing, as_of: int) -> Ranked | None:
    """A patient's place, None when not in scope: the cheap part of an assessment."""
    view = View(facts, standing.settings, as_of)
    if not view.in_scope:
        return None
    return Ranked(
        facts.patient_id,
        patient_class(view.dormant, view.level, flags_of(view)),
        risk_score(view),
        view.counted_from_day,
        next_action_day(view),
        view.attended_days[-1] if view.attended else 0,
        view.activity.active,
        bool(view.started or view.future),
    )


class Ranking:
    """The places of all patients in scope as of an instant, sorted on demand."""

    def __init__(self, applied_at: int | None, ranked: list[Ranked]) -> None:
        self.applied_at = applied_at
        self.ranked = ranked
        self._orders: OrderedDict[tuple[Selection, Order], list[Key]] = OrderedDict()

    def keys(self, selection: Selection, order: Order) -> list[Key]:
        """The sort keys of a list's patients, in order."""
        wanted = (selection, order)
        if wanted not in self._orders:
            self._orders[wanted] = self._sorted(selection, order)
            if len(self._orders) > REMEMBERED_ORDERS:
                self._orders.popitem(last=False)
        return self._orders[wanted]

    def _sorted(self, selection: Selection, order: Order) -> list[Key]:
        values = frozenset(selection.values)
        selected = FIELDS[selection.field]
        by = FIELDS[order.field]
        sign = -1 if order.descending else 1
        return sorted((sign * int(r[by]), r.patient_id) for r in self.ranked if r[selected] in values)


class Rankings:
    """Reads every timeline of an organization once per instant, and remembers what came out.

    A reading that began is finished and remembered although its request is cancelled: the next
    one need not begin anew.
    """

    def __init__(self, published: Published) -> None:
        self._published = published
        self._remembered: OrderedDict[Instant, Ranking] = OrderedDict()
        self._waiting: WeakValueDictionary[Instant, asyncio.Lock] = WeakValueDictionary()
        self._underway: dict[Instant, asyncio.Task[Ranking]] = {}
        self._turns = asyncio.Semaphore(READINGS_AT_ONCE)

    async def ranking(self, standing: Standing, as_of: int, *, fresh: bool) -> Ranking:
        """The places as of an instant; one made from older facts will do when not `fresh`.

        The later pages of a walk take the first page's ranking, so that they cost little however
        much happens meanwhile.
        """
        instant = (standing.scope, as_of)
        known = self._known(instant, standing, fresh=fresh)
        if known is not None:
            return known
        waiting = self._waiting.setdefault(instant, asyncio.Lock())
        async with waiting:  # a second request for the same instant waits for the first
            if instant in self._underway:  # whoever began it was cancelled
                await asyncio.shield(self._underway[instant])
            known = self._known(instant, standing, fresh=fresh)
            if known is not None:
                return known
            await self._turns.acquire()
            reading = self._underway[instant] = asyncio.create_task(self._read(instant, standing))
            reading.add_done_callback(_heard)
            return await asyncio.shield(reading)

    def _known(self, instant: Instant, standing: Standing, *, fresh: bool) -> Ranking | None:
        known = self._remembered.get(instant)
        if known is None or (fresh and known.applied_at != standing.applied_at):
            return None
        self._remembered.move_to_end(instant)
        return known

    async def _read(self, instant: Instant, standing: Standing) -> Ranking:
        try:
            ranking = Ranking(standing.applied_at, await self._read_all(standing, instant[1]))
            self._remembered[instant] = ranking
            self._remembered.move_to_end(instant)
            self._forget()
            return ranking
        finally:
            del self._underway[instant]
            self._turns.release()

    def _forget(self) -> None:
        held = sum(len(ranking.ranked) for ranking in self._remembered.values())
        while held > REMEMBERED_PATIENTS and len(self._remembered) > 1:
            _, forgotten = self._remembered.popitem(last=False)
            held -= len(forgotten.ranked)

    async def _read_all(self, standing: Standing, as_of: int) -> list[Ranked]:
        found = []
        read = 0
        async for facts in self._published.all_facts(standing.organization_id):
            read += 1
            if read % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            ranked = rank(facts, standing, as_of)
            if ranked is not None:
                found.append(ranked)
        return found


def _heard(reading: asyncio.Task[Ranking]) -> None:
    """A fault is told to those who wait; when nobody does any more, to nobody."""
    if not reading.cancelled():
        reading.exception()
