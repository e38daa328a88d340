"""The consumers and settlers of several processes on one log and one database, stepped one at a time.

The handlers, the settler and all pure code are the services' own; the loop around them is a model of
`shared.consumer`, so that a wrong loop can be tried, too.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from outreach_tracker.handlers import create_follow_outreach
from risk_engine.computing import Computed, Inputs, compute
from risk_engine.handlers import fold_into_timelines
from risk_engine.pace import FOLDING_RECORDS
from risk_engine.settling import Settler
from shared.dead_letters import DeadLetter
from shared.faults import TransientError
from shared.kafka import Outgoing
from shared.organizations import Organization, OrganizationSettings
from shared.records import Handler, Record
from shared.topics import OUTREACH_EVENTS, RISK_ENGINE_TOPICS, dead_letters_of
from support.organizations import an_organization
from unit.simulator.fake_log import Group, Log, Reader, StaleGenerationError
from unit.simulator.load import NOW, ORGANIZATION, Load
from unit.simulator.points import Point, Task
from unit.simulator.stores import Database, Histories, Settlements, Timelines

MOST = 4
"""Records of a batch; so many at once are a large one, while which settling holds back."""

ALL_HOMES = range(12)

NAMES = ("risk-0", "risk-1", "tracker-0", "tracker-1")


class Loop:
    """What `shared.consumer` does with a batch, point by point."""

    def __init__(self, log: Log, group: Group, reader: Reader, handle: Handler) -> None:
        self.log = log
        self.group = group
        self.reader = reader
        self.handle = handle

    async def run(self) -> None:
        while True:
            await Point("idle")
            batch = self.reader.poll(MOST)
            if batch:
                await Point("after read")
                await self.take(batch)

    async def take(self, batch: Sequence[Record]) -> None:
        try:
            dead = await self.store(batch)
            await self.set_aside(dead)
            await self.commit(batch)
        except TransientError:
            self.reader.rewind(batch)

    async def store(self, batch: Sequence[Record]) -> Sequence[DeadLetter]:
        dead = await self.handle(batch)
        await Point("after store")
        return dead

    async def set_aside(self, dead: Sequence[DeadLetter]) -> None:
        for letter in dead:
            place = json.dumps(letter.record[:3]).encode()
            self.log.append(dead_letters_of(letter.record.topic), letter.record.key, place)
            await Point("after dead letter")

    async def commit(self, batch: Sequence[Record]) -> None:
        await Point("before commit")
        offsets: dict[tuple[str, int], int] = {}
        for record in batch:
            partition = (record.topic, record.partition)
            offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
        try:
            self.group.commit(self.reader.member, self.reader.generation, offsets)
        except StaleGenerationError:
            return


MakeLoop = Callable[[Log, Group, Reader, Handler], Loop]


class Directory:
    """The organizations: one, whose settings can change."""

    def __init__(self) -> None:
        self.revision = 1

    async def find(self, organization_id: str) -> Organization | None:
        return self._organization() if organization_id == ORGANIZATION else None

    async def active(self) -> list[Organization]:
        return [self._organization()]

    async def removed(self) -> list[Organization]:
        return []

    def _organization(self) -> Organization:
        return _organization(self.revision)


@cache
def _organization(revision: int) -> Organization:
    settings = OrganizationSettings(time_zone="UTC", active_window_days=100 + revision)
    return an_organization(ORGANIZATION, settings=settings, settings_revision=revision)


async def at_once(inputs: Inputs) -> Computed:
    """Computes in the thread that steps: there is no event loop here."""
    return compute(inputs)


class World:
    """Everything; `step` lets one task of a process go to its next point."""

    def __init__(self, make_loop: MakeLoop = Loop) -> None:
        self._make_loop = make_loop
        self.log = Log()
        self.load = Load(self.log)
        self.database = Database()
        self.directory = Directory()
        self.groups = {"risk": Group(self.log, RISK_ENGINE_TOPICS), "tracker": Group(self.log, (OUTREACH_EVENTS,))}
        self.processes: dict[str, list[Task]] = {}
        for name in NAMES:
            self.start(name)

    def start(self, name: str) -> None:
        if name not in self.processes:
            self.processes[name] = self._risk_engine(name) if name.startswith("risk") else self._tracker(name)

    def kill(self, name: str) -> None:
        for task in self.processes.pop(name, []):
            task.kill()

    def group_of(self, name: str) -> Group:
        return self.groups[name.split("-")[0]]

    def step(self, name: str, number: int) -> str | None:
        """The point at which the task stands then; None: the process is dead."""
        tasks = self.processes.get(name)
        return tasks[number % len(tasks)].step() if tasks else None

    # ------------------------------------------------------------------ processes

    def _risk_engine(self, name: str) -> list[Task]:
        timelines = Timelines(self.database)

        async def handle(records: Sequence[Record]) -> Sequence[DeadLetter]:
            with settler.fold(FOLDING_RECORDS if len(records) == MOST else len(records)):
                return await fold_into_timelines(records, timelines, self._knows)

        reader = Reader(self.log, self.groups["risk"], name)
        store = Settlements(self.database)
        settler = Settler(store, store, self.directory, self.database.clock, lambda: ALL_HOMES, compute=at_once)  # type: ignore[arg-type]

        async def settle_all() -> None:
            while True:
                await Point("idle")
                try:
                    await settler.step()
                    await settler.clear()
                except TransientError:
                    continue

        return [Task(self._make_loop(self.log, self.groups["risk"], reader, handle).run()), Task(settle_all())]

    def _tracker(self, name: str) -> list[Task]:
        handle = create_follow_outreach(Histories(self.database), self._publish, self._knows, self.database.clock)
        reader = Reader(self.log, self.groups["tracker"], name)
        return [Task(self._make_loop(self.log, self.groups["tracker"], reader, handle).run())]

    async def _publish(self, records: Iterable[Outgoing]) -> None:
        for record in records:
            await Point("between store and publish")
            self.log.append(record.topic, record.key, record.value)

    async def _knows(self, organization_id: str) -> bool:
        return organization_id == ORGANIZATION

    # ------------------------------------------------------------------ the end

    def heal(self) -> None:
        """No more faults: everybody runs until nothing is left to do."""
        self.database.away = False
        for name in NAMES:
            self.start(name)
        for _ in range(1_000):
            for name in NAMES:
                for number in range(2):
                    for _ in range(15):
                        self.step(name, number)
            if self.quiet():
                return
        raise AssertionError("it does not come to rest")

    def quiet(self) -> bool:
        if any(group.behind() for group in self.groups.values()):
            return False
        standing = self.database.settlements.standings.get(ORGANIZATION)
        dirty = any("dirty" in t for t in self.database.timelines.stored.values())
        return not dirty and standing is not None and standing["settings_revision"] == self.directory.revision


__all__ = ["NAMES", "NOW", "Loop", "World"]
