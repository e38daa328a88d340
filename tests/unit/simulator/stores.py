"""MongoDB's part: documents in memory, read as copies, with a point between any two operations.

What is one atomic operation there is one step here; a bulk may be torn at any place.
"""

from collections.abc import Collection, Sequence
from copy import deepcopy
from typing import Any

from outreach_tracker.store import Change as HistoryChange
from outreach_tracker.store import PatientHistory
from risk_engine.changes import Change
from shared.faults import TransientError
from support.memory_settlements import MemorySettlements
from support.memory_timelines import MemoryTimelines
from unit.outreach_tracker.fakes import MemoryHistoryStore
from unit.simulator.points import Point


class Database:
    """The server: `away` makes every operation fail, as one that steps down does."""

    def __init__(self) -> None:
        self.away = False
        self.clock = Ticks()
        self.timelines = MemoryTimelines(self.clock.now)
        self.settlements = MemorySettlements(self.timelines)
        self.histories = MemoryHistoryStore()

    async def operation(self, name: str) -> None:
        await Point(name)
        if self.away:
            raise TransientError("MongoDB is away")


class Ticks:
    """A clock that moves on whenever it is looked at."""

    def __init__(self) -> None:
        self.ticks = 1_795_600_000_000_000

    def now(self) -> int:
        self.ticks += 1
        return self.ticks

    def monotonic(self) -> float:
        return self.now() / 10


class Timelines:
    """`handlers.Timelines` of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erased(self, timelines: set[str]) -> set[str]:
        await self._database.operation("read erasures")
        return await self._database.timelines.erased(timelines)

    async def fold(self, changes: Sequence[Change]) -> None:
        for change in changes:
            await self._database.operation("fold one")
            await self._database.timelines.fold([change])

    async def erase(self, organization_id: str, patient_id: str, erased_at: int) -> None:
        await self._database.operation("erase")
        await self._database.timelines.erase(organization_id, patient_id, erased_at)


class Histories:
    """`HistoryStore` of one tracker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, keys: Collection[str]) -> dict[str, PatientHistory]:
        await self._database.operation("read histories")
        return await self._database.histories.read(keys)

    async def save(self, changes: Sequence[HistoryChange]) -> set[str]:
        lost: set[str] = set()
        for change in changes:
            await self._database.operation("save one")
            lost |= await self._database.histories.save([change])
        return lost


class Settlements:
    """What `Settler` asks of a settlement store, a copy for each reader, points before and after each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        stored = getattr(self._database.settlements, name)

        async def operation(*arguments: Any, **options: Any) -> Any:
            await self._database.operation(name)
            answer = deepcopy(stored(*arguments, **options))
            await Point(f"after {name}")
            return answer

        return operation
