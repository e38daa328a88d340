"""Which patients a list holds, in which order, as of any instant.

Near now most patients' stored assessments stand and an index gives the page; the few that do not
stand at the list's instant are assessed anew. Far from now nearly none stands: then every
timeline is read once, and the order is remembered for the next pages.
"""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from api_gateway.readings.published import Published, Standing
from rules.actions import next_action_day
from rules.assess import Assessment, assess
from rules.facts import Facts
from rules.figures import flags_of, is_active, patient_class, recent_appointments
from rules.score import risk_score
from rules.view import View
from shared.assessments import OUT_OF_SCOPE, stored_assessment

FEW = 1_000
"""So many patients are assessed anew for one page; beyond, all are read."""

REMEMBERED_ORDERS = 4
YIELD_EVERY = 200

Key = tuple[int, str]
"""A sort key that ascends, and the patient id that breaks ties."""


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

    def document(self) -> dict[str, Any]:
        """By the names of stored assessments."""
        return {**self._asdict(), "class": self.patient_class}


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
        is_active(view, recent_appointments(view)),
        bool(view.started or view.future),
    )


class PageOfPatients(NamedTuple):
    """Assessments in order, and where the next page begins (None on the last)."""

    assessments: list[Assessment]
    next_after: Key | None


class PatientLists:
    """Reads pages of lists; remembers the orders of instants that had to be read in whole."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._orders: OrderedDict[tuple[Any, ...], list[Key]] = OrderedDict()
        self._reading = asyncio.Lock()

    async def page(
        self,
        standing: Standing,
        selection: Selection,
        order: Order,
        *,
        as_of: int,
        after: Key | None,
        limit: int,
    ) -> PageOfPatients:
        """The patients of a page, assessed as of the instant."""
        stale = await self._stale(standing, as_of)
        if stale is None:
            keys = await self._keys_of_all(standing, selection, order, as_of)
            begin = 0 if after is None else bisect_right(keys, after)
            page = keys[begin : begin + limit]
            more = begin + limit < len(keys)
            assessed = await self._assess(standing, [patient for _, patient in page], as_of)
            found = [assessed[patient] for _, patient in page if patient in assessed]
            return PageOfPatients(found, page[-1] if more and page else None)
        documents = await self._valid(standing, selection, order, as_of, after, limit + 1)
        placed = [(order.key(d), stored_assessment(d)) for d in documents]
        placed += await self._renewed(standing, selection, order, stale, as_of, after)
        placed.sort(key=lambda pair: pair[0])
        more = len(placed) > limit
        placed = placed[:limit]
        return PageOfPatients([a for _, a in placed], placed[-1][0] if more else None)

    async def _stale(self, standing: Standing, as_of: int) -> list[str] | None:
        """Patients whose stored assessments do not stand at the instant; None: too many."""
        for_scope = {"scope": standing.scope}
        queries = [
            (dict(for_scope, until={"$lte": as_of}), "until"),
            ({**for_scope, "from": {"$gt": as_of}}, "from"),
        ]
        found: list[str] = []
        for query, hint in queries:
            documents = self._published.assessments.find(query, {"patient_id": 1}, limit=FEW + 1, hint=hint)
            found += [d["patient_id"] for d in await documents.to_list()]
            if len(found) > FEW:
                return None
        return found

    async def _valid(
        self,
        standing: Standing,
        selection: Selection,
        order: Order,
        as_of: int,
        after: Key | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        base = {
            "scope": standing.scope,
            selection.field: {"$in": list(selection.values)},
            "from": {"$lte": as_of},
            "until": {"$gt": as_of},
        }
        sort = [(order.field, -1 if order.descending else 1), ("patient_id", 1)]
        queries: list[dict[str, Any]] = [{}]
        if after is not None:
            value = -after[0] if order.descending else after[0]
            beyond = {"$lt": value} if order.descending else {"$gt": value}
            queries = [{order.field: value, "patient_id": {"$gt": after[1]}}, {order.field: beyond}]
        found: list[dict[str, Any]] = []
        for query in queries:
            if len(found) < limit:
                documents = self._published.assessments.find({**base, **query}, sort=sort, limit=limit - len(found))
                found += await documents.to_list()
        return found

    async def _renewed(
        self,
        standing: Standing,
        selection: Selection,
        order: Order,
        patients: Sequence[str],
        as_of: int,
        after: Key | None,
    ) -> list[tuple[Key, Assessment]]:
        if not patients:
            return []
        placed = []
        for assessment in (await self._assess(standing, patients, as_of)).values():
            document = _sort_fields(assessment)
            if document[selection.field] in selection.values:
                key = order.key(document)
                if after is None or key > after:
                    placed.append((key, assessment))
        return placed

    async def _assess(self, standing: Standing, patients: Sequence[str], as_of: int) -> dict[str, Assessment]:
        facts = await self._published.facts(standing.organization_id, patients)
        assessed = {patient: assess(known, standing.settings, as_of) for patient, known in facts.items()}
        return {patient: found for patient, found in assessed.items() if found is not None}

    async def _keys_of_all(self, standing: Standing, selection: Selection, order: Order, as_of: int) -> list[Key]:
        remembered = (standing.scope, standing.applied_at, selection, order, as_of)
        async with self._reading:  # a second request for the same pages waits for the first
            if remembered in self._orders:
                self._orders.move_to_end(remembered)
                return self._orders[remembered]
            keys = await self._read_all(standing, as_of, _chosen(selection, order))
            keys.sort()
            self._orders[remembered] = keys
            while len(self._orders) > REMEMBERED_ORDERS:
                self._orders.popitem(last=False)
            return keys

    async def _read_all(self, standing: Standing, as_of: int, choose: Callable[[Ranked], Key | None]) -> list[Key]:
        keys = []
        read = 0
        async for facts in self._published.all_facts(standing.organization_id):
            read += 1
            if read % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            ranked = rank(facts, standing, as_of)
            key = None if ranked is None else choose(ranked)
            if key is not None:
                keys.append(key)
        return keys


def _chosen(selection: Selection, order: Order) -> Callable[[Ranked], Key | None]:
    values = frozenset(selection.values)

    def choose(ranked: Ranked) -> Key | None:
        document = ranked.document()
        return order.key(document) if document[selection.field] in values else None

    return choose


def _sort_fields(assessment: Assessment) -> dict[str, Any]:
    return {
        "patient_id": assessment.patient_id,
        "class": assessment.patient_class,
        "score": assessment.risk_score,
        "counted_from": assessment.counted_from_day,
        "next_action": assessment.next_action_day,
        "last_attended": assessment.last_attended_day,
        "active": assessment.active,
        "booked": assessment.with_appointments,
    }


__all__ = ["BY_LAST_VISIT", "ORDERS", "OUT_OF_SCOPE", "PageOfPatients", "PatientLists", "Selection"]
