"""Are the risk engine's results of all that it took in? Asked of its published collections."""

from collections.abc import Mapping
from typing import Any

from reengage.catching_up import Behind
from reengage.control import Control
from reengage.organizations import load_all
from reengage.rebuilding import requested
from rules.version import RULES_VERSION
from shared.organizations import Organization
from shared.timelines import DATABASE, STANDINGS, TIMELINES
from shared.topics import PARTITIONS

AT_ONCE = 10_000
"""Patients that are followed one by one; while more are waiting, all of them are waited for."""

DIRTY = {"home": {"$in": list(range(PARTITIONS))}, "dirty": {"$exists": True}}
"""Timelines that are ahead of the results; `home` is named for the index alone: it has that field first."""


class Unsettled:
    """The patients whose timelines are ahead of the results, and the organizations being built.

    A patient is followed until its mark is gone, or another one: a mark stands as it is until all
    that was known then is settled.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._timelines = control.client[DATABASE][TIMELINES]
        self._standings = control.client[DATABASE][STANDINGS]
        self._marked: dict[str, int] | None = None

    async def behind(self) -> Behind:
        """What is not settled yet of what was marked at the first call."""
        return [*await self._patients(), *await self._organizations()]

    async def _patients(self) -> Behind:
        if self._marked is None:
            marked = await self._timelines.find(DIRTY, {"dirty": 1}, limit=AT_ONCE + 1).to_list()
            if len(marked) > AT_ONCE:
                return [f"risk-engine has more than {AT_ONCE} patients to sum up"]
            self._marked = {timeline["_id"]: timeline["dirty"] for timeline in marked}
        elif self._marked:
            query = {"_id": {"$in": sorted(self._marked)}, "dirty": {"$exists": True}}
            found = await self._timelines.find(query, {"dirty": 1}).to_list()
            self._marked = {t["_id"]: t["dirty"] for t in found if t["dirty"] == self._marked[t["_id"]]}
        return [f"risk-engine has {len(self._marked)} patients to sum up"] if self._marked else []

    async def _organizations(self) -> Behind:
        """Those without results, with results in the making, and with results that are to be made anew."""
        fields = {"settings_revision": 1, "rules_version": 1, "rebuild": 1, "building.generation": 1}
        standings = {standing["_id"]: standing async for standing in self._standings.find({}, fields)}
        told = []
        numbers = await requested(self._control)
        for organization in await load_all(self._control):
            standing = standings.get(organization.id)
            if standing is None:
                told.append(f"risk-engine has not begun with {organization.id}")
            elif standing.get("building") or not _is_current(standing, organization, numbers.get(organization.id, 0)):
                told.append(f"risk-engine is building the results of {organization.id} anew")
        return told


def _is_current(standing: Mapping[str, Any], organization: Organization, rebuild: int) -> bool:
    """What is served was made with the settings and rules that hold, since the last request to rebuild."""
    return bool(
        standing["settings_revision"] >= organization.settings_revision
        and standing["rules_version"] == RULES_VERSION
        and standing.get("rebuild", 0) >= rebuild
    )
