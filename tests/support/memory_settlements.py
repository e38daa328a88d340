"""Results in memory: what `Settler` asks of its two stores, each method one atomic operation."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from risk_engine.settlement import Addition, Settled, is_newer, lacks, mark, updates
from risk_engine.store.settlements import expired_assessment
from risk_engine.store.standings import Standing, _part, _retired, first_standing
from rules.instants import FOREVER
from shared.organizations import Organization
from shared.rollups import scope
from shared.timelines import timeline_id
from support.memory_timelines import MemoryTimelines

Document = dict[str, Any]


class MemorySettlements:
    """Contributions, sums, assessments and standings; behaves as the stores in MongoDB do."""

    def __init__(self, timelines: MemoryTimelines) -> None:
        self._timelines = timelines
        self.contributions: dict[str, Document] = {}
        self.assessments: dict[str, Document] = {}
        self.rollups: Counter[tuple[str, str]] = Counter()
        self.standings: dict[str, Standing] = {}

    # ---------------------------------------------------------------- settlements

    def dirty(
        self,
        homes: Sequence[int],
        limit: int,
        *,
        of: str | None = None,
        besides: Sequence[str] = (),
        unrecorded_before: int | None = None,
    ) -> list[Document]:
        found = [t for t in self._timelines.stored.values() if "dirty" in t and t["home"] in homes]
        if of is not None:
            found = [t for t in found if t["organization_id"] == of]
        found.sort(key=lambda t: (t["dirty"], t["_id"]))
        if unrecorded_before is not None:
            found = [t for t in found if "contact" in t or "erased" in t or t["dirty"] < unrecorded_before]
        return [t for t in found if t["organization_id"] not in besides][:limit]

    def of_patients(self, ids: Sequence[str]) -> list[Document]:
        return [self._timelines.stored[name] for name in ids if name in self._timelines.stored]

    def after(self, organization_id: str, last: str, limit: int) -> list[Document]:
        found = [t for name, t in sorted(self._timelines.stored.items()) if name > last]
        return [t for t in found if t["organization_id"] == organization_id][:limit]

    def merged_into(self, survivors: list[str]) -> dict[str, list[Document]]:
        return self._timelines.merged_into(survivors)

    def expired(self, homes: Sequence[int], now: int, limit: int) -> list[Document]:
        found = [a for _, a in sorted(self.assessments.items()) if a["home"] in homes and a["until"] <= now]
        return [expired_assessment(a) for a in found[:limit]]

    def contributions_of(self, ids: Sequence[str]) -> dict[str, Document]:
        return {name: self.contributions[name] for name in ids if name in self.contributions}

    def write(self, settled: Sequence[Settled], addition: Addition, applied_at: int | None) -> None:
        current = [s for s in settled if self._is_followed(s) and not self._is_outdated(s)]
        stored = self.contributions_of([s.id for s in settled])
        into_sums = addition.updates
        if len(current) < len(settled) or addition.replaced != {name: mark(doc) for name, doc in stored.items()}:
            into_sums = updates((s, stored.get(s.id)) for s in current)
        for rollup, _, operation in into_sums:
            for field, change in operation["$inc"].items():
                self.rollups[rollup, field] += change
        for s in current:
            if s.assessment is None:
                self.contributions.pop(s.id, None)
                self.assessments.pop(s.id, None)
            else:
                self.contributions[s.id] = dict(s.contribution or {})
                self.assessments[s.id] = dict(s.assessment)

    def _is_followed(self, s: Settled) -> bool:
        standing = self.standings[s.generation.organization_id]
        return s.generation.number in {part["generation"] for part in (standing, standing["building"]) if part}

    def _is_outdated(self, s: Settled) -> bool:
        timeline = timeline_id(s.generation.organization_id, s.patient_id)
        stored = self.contributions.get(s.id)
        if stored is None:
            return self._timelines.stored[timeline]["revision"] > dict(s.basis)[timeline]
        lacking = lacks(stored, s.basis)
        if lacking:
            merged = self._timelines.merged_into([timeline])
            lacking &= {loser["_id"] for losers in merged.values() for loser in losers}
        return is_newer(stored, s.basis) or bool(lacking)

    def refresh(self, settled: Sequence[Settled]) -> None:
        for s in settled:
            stored = self.assessments.get(s.id)
            if s.assessment is not None and stored is not None and stored["basis"] == s.assessment["basis"]:
                self.assessments[s.id] = dict(s.assessment)

    def let_stand(self, ids: Collection[str]) -> None:
        for name in ids:
            if name in self.assessments:
                self.assessments[name]["until"] = FOREVER

    def mark_settled(self, timelines: Sequence[Document]) -> None:
        for t in timelines:
            stored = self._timelines.stored.get(t["_id"])
            if stored is None or stored["revision"] != t["revision"]:
                continue
            if "erased" in t:
                del self._timelines.stored[t["_id"]]
            else:
                stored.pop("dirty", None)

    def set_aside(self, timelines: Sequence[Document], errors: Mapping[str, str]) -> None:
        raise NotImplementedError

    # ---------------------------------------------------------------- standings

    def of(self, organizations: Sequence[str]) -> dict[str, Standing]:
        return {name: self.standings[name] for name in organizations if name in self.standings}

    def create(self, organization: Organization, rebuild: int = 0) -> None:
        self.standings.setdefault(organization.id, first_standing(organization, rebuild))

    def begin_building(self, standing: Standing, organization: Organization, rebuild: int = 0) -> None:
        stored, building = self.standings[organization.id], standing["building"]
        if (stored["generation"], stored["building"]) != (standing["generation"], building):
            return
        number = (building or standing)["generation"] + 1
        stored["building"] = _part(organization, number, rebuild) | {"after": ""}
        if building is not None:
            stored["retired"].append(_retired(building, 0))

    def built_to(self, standing: Standing, after: str) -> None:
        building = self._building(standing)
        if building is not None:
            building["after"] = after

    def swap(self, standing: Standing, now: int) -> None:
        if self._building(standing) is None:
            return
        stored, building = self.standings[standing["_id"]], standing["building"]
        served = {name: building[name] for name in ("generation", "settings", "settings_revision", "rules_version")}
        stored["retired"].append(_retired(standing, now))
        stored.update(served, building=None)

    def discard_retired(self, standing: Standing, now: int) -> None:
        for retired in standing["retired"]:
            prefix = scope(standing["_id"], retired["generation"]) + "|"
            for documents in (self.contributions, self.assessments):
                for name in [name for name in documents if name.startswith(prefix)]:
                    del documents[name]
            for key in [key for key in self.rollups if key[0].startswith(prefix)]:
                del self.rollups[key]
            stored = self.standings[standing["_id"]]["retired"]
            stored[:] = [one for one in stored if one["generation"] != retired["generation"]]

    def purge(self, organizations: Sequence[str]) -> None:
        raise NotImplementedError

    def _building(self, standing: Standing) -> Document | None:
        """What is being built, if it is still what the reader saw."""
        building: Document | None = self.standings[standing["_id"]]["building"]
        same = building is not None and building["generation"] == standing["building"]["generation"]
        return building if same else None
