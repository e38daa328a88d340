"""Timelines in memory, with the guard of the real ones: a fact is set only by a newer version."""

from collections.abc import Callable, Sequence
from typing import Any

from risk_engine.changes import Change
from shared.timelines import home_partition

Document = dict[str, Any]


class MemoryTimelines:
    """What `handlers.Timelines` asks for."""

    def __init__(self, now: Callable[[], int] = lambda: 0) -> None:
        self._now = now
        self.stored: dict[str, Document] = {}
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
                    "home": home_partition(change.organization_id),
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
            timeline.setdefault("dirty", self._now())
            if change.field == "contact":
                timeline.pop("merged_into", None)
                if change.merged_into is not None:
                    timeline["merged_into"] = change.merged_into
                    timeline["survivors"] = sorted({*timeline.get("survivors", ()), change.merged_into})

    async def erase(self, organization_id: str, patient_id: str, erased_at: int) -> None:
        timeline = f"{organization_id}:{patient_id}"
        self.erasures.setdefault(timeline, erased_at)
        self.stored.pop(timeline, None)

    def merged_into(self, survivors: Sequence[str]) -> dict[str, list[Document]]:
        """The timelines merged into these, now or before, chains followed."""
        found: dict[str, list[Document]] = {}
        pending = set(survivors)
        while pending:
            losers = [t for _, t in sorted(self.stored.items()) if pending.intersection(t.get("survivors", ()))]
            found.update((survivor, []) for survivor in sorted(pending))
            for loser in losers:
                for survivor in pending.intersection(loser["survivors"]):
                    found[survivor].append(loser)
            pending = {loser["_id"] for loser in losers} - found.keys()
        return found
