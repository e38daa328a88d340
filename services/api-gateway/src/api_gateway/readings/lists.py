"""Which patients a list holds, in which order, as of any instant.

Near now most patients' stored assessments stand and an index gives the page; the few that do not
stand at the list's instant are assessed anew. Far from now nearly none stands: then every
timeline is read once, and the order is remembered for the next pages.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from api_gateway.readings.published import Published
from api_gateway.readings.rankings import Key, Order, Rankings, Selection
from api_gateway.standing import Standing
from rules.assess import Assessment, assess
from shared.assessments import stored_assessment

FEW = 1_000
"""So many patients are assessed anew for one page; beyond, all are read."""


class PageOfPatients(NamedTuple):
    """Assessments in order, and where the next page begins (None on the last)."""

    assessments: list[Assessment]
    next_after: Key | None


class PatientLists:
    """Reads pages of lists; remembers the orders of instants that had to be read in whole."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._rankings = Rankings(published)

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
            ranking = await self._rankings.ranking(standing, as_of, fresh=after is None)
            keys = ranking.keys(selection, order)
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
