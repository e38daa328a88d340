"""Timelines in memory, with the guard of the real ones: a fact is set only by a newer version."""

from collections.abc import Sequence
from typing import Any

from risk_engine.changes import Change


class MemoryTimelines:
    """What `handlers.Timelines` asks for."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.erasures: dict[str, int] = {}

    async def erased(self, timelines: set[str]) -> set[str]:
        return timelines & self.erasures.keys()

    async def fold(self, changes: Sequence[Change]) -> None:
        for change in changes:
            timeline = self.stored.setdefault(
                change.timeline,
                {
                    "_id": change.timeline,
                    "organization_id": change.organization_id,
                    "patient_id": change.patient_id,
                    "revision": 0,
                },
            )
            *parents, name = change.field.split(".", 1)
            place = timeline
            for parent in parents:
                place = place.setdefault(parent, {})
            if name in place and place[name]["v"] >= change.version:
                continue
            place[name] = change.fact
            timeline["revision"] += 1
            if change.field == "contact":
                timeline.pop("merged_into", None)
                if change.merged_into is not None:
                    timeline["merged_into"] = change.merged_into

    async def erase(self, organization_id: str, patient_id: str, erased_at: int) -> None:
        timeline = f"{organization_id}:{patient_id}"
        self.erasures.setdefault(timeline, erased_at)
        self.stored.pop(timeline, None)
