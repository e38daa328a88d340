"""Looks every half second which organizations are due, and shares them with other ingestors by lease."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingestor.due import Due, Pace, due
from ingestor.errors import LeaseLostError
from ingestor.leases import Lease, LeaseStore
from ingestor.runner import Runner
from ingestor.store.requests import SyncRequest
from ingestor.store.state import Status
from ingestor.task import StoppingError, Stores, Task
from shared.budget import RequestBudget
from shared.clock import Clock
from shared.faults import describe
from shared.logs import log_of
from shared.organizations import Organization, OrganizationDirectory
from shared.tasks import cancelled

TICK_SECONDS = 0.5
TRY_LEASE_AGAIN_SECONDS = 2.0
FINISH_SECONDS = 4.0
"""At a stop: how long a batch may take to be finished, before it is abandoned."""

STALLED_SECONDS = 15.0
"""Without a look at the organizations: not ready."""

_log = log_of("scheduler")

Budgets = Callable[[str, int], RequestBudget]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is to be seen in the database at one moment."""

    active: dict[str, Organization]
    removed: dict[str, Organization]
    statuses: dict[str, Status]
    requests: dict[str, list[SyncRequest]]

    def sharing(self, key_hash: str) -> list[Organization]:
        """The organizations with one API key."""
        return [each for each in self.active.values() if each.cliniko.key_hash == key_hash]

    def requests_per_minute(self, key_hash: str) -> int:
        """What all organizations with the key agree to; 0 where there is none."""
        return min((each.requests_per_minute for each in self.sharing(key_hash)), default=0)


class Scheduler:
    """Synchronizes what is due, one organization of an API key at a time."""

    def __init__(
        self,
        directory: OrganizationDirectory,
        stores: Stores,
        leases: LeaseStore,
        budgets: Budgets,
        clock: Clock,
        *,
        holder: str,
        sync_interval: float,
        full_interval: float,
        stopped_retry: float,
        concurrency: int,
    ) -> None:
        self._directory = directory
        self._stores = stores
        self._leases = leases
        self._budgets = budgets
        self._clock = clock
        self._holder = holder
        self._sync_interval = sync_interval
        self._full_interval = full_interval
        self._stopped_retry = stopped_retry
        self._room = asyncio.Semaphore(concurrency)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}
        self._gone: set[str] = set()
        self._purged: dict[str, datetime | None] = {}
        """Removed organizations of which nothing is held any more, with when they were removed."""

        self._loop: asyncio.Task[None] | None = None
        self._looked_at = clock.monotonic()
        self._stopping = False
        self.runner: Runner | None = None

    def must_stop(self, org: str) -> bool:
        """Whether nothing new is to be begun for an organization."""
        return self._stopping or org in self._gone

    def not_ready(self) -> Sequence[str]:
        """Why nothing gets done."""
        if self._clock.monotonic() - self._looked_at > STALLED_SECONDS:
            return ["the organizations could not be read for some time"]
        return []

    async def start(self) -> None:
        """Begins to look."""
        self._loop = asyncio.create_task(self._look_again_and_again())

    async def stop(self) -> None:
        """Lets batches under way finish, for a while, and gives the leases back."""
        self._stopping = True
        if self._loop is not None:
            await cancelled(self._loop)
        running = list(self._running.values())
        if running:
            _, unfinished = await asyncio.wait(running, timeout=FINISH_SECONDS)
            await cancelled(*unfinished)

    async def _look_again_and_again(self) -> None:
        prepared = False
        while True:
            try:
                if not prepared:
                    await self._stores.records.prepare()
                    await self._stores.intents.prepare()
                    prepared = True
                await self._look()
                self._looked_at = self._clock.monotonic()
            except Exception as fault:  # noqa: BLE001 - whatever it is, it may be gone next time
                _log.warning("could not look at the organizations", error=describe(fault))
            await asyncio.sleep(TICK_SECONDS)

    async def _look(self) -> None:
        sight = await self._see()
        self._gone = set(sight.removed)
        await self._refuse_unknown(sight)
        for key_hash in self._running:
            if per_minute := sight.requests_per_minute(key_hash):
                self._budgets(key_hash, per_minute)  # a changed setting counts at once, also within a long load
        for key_hash in self._keys_with_work(sight):
            if key_hash in self._running:
                continue
            if self._clock.monotonic() < self._not_before.get(key_hash, 0.0):
                continue
            self._running[key_hash] = asyncio.create_task(self._use_key(key_hash))

    async def _see(self) -> Sight:
        requests: dict[str, list[SyncRequest]] = defaultdict(list)
        active = {each.id: each for each in await self._directory.active()}
        removed = {each.id: each for each in await self._directory.removed()}
        for request in await self._stores.requests.open():
            requests[request.organization_id].append(request)
        return Sight(active, removed, await self._stores.statuses.all(), requests)

    async def _refuse_unknown(self, sight: Sight) -> None:
        for org, requests in sight.requests.items():
            if org not in sight.active:
                ids = [request.id for request in requests]
                await self._stores.requests.failed(ids, f"there is no organization {org}")

    def _keys_with_work(self, sight: Sight) -> Iterable[str]:
        keys = {each.cliniko.key_hash for each in sight.active.values() if self._due(each, sight) is not Due.NOTHING}
        return keys | {each.cliniko.key_hash for each in sight.removed.values() if self._is_to_be_purged(each)}

    def _is_to_be_purged(self, organization: Organization) -> bool:
        return self._purged.get(organization.id) != organization.removed_at

    def _due(self, organization: Organization, sight: Sight) -> Due:
        requests = sight.requests.get(organization.id, [])
        return due(
            sight.statuses.get(organization.id),
            self._pace(organization),
            now=self._clock.now(),
            stored_key=organization.cliniko.stored_key,
            requested=bool(requests),
            requested_full=any(request.full for request in requests),
        )

    def _pace(self, organization: Organization) -> Pace:
        interval = organization.settings.sync_interval or self._sync_interval
        return Pace(interval, self._full_interval, self._stopped_retry)

    async def _use_key(self, key_hash: str) -> None:
        """Does all that is due with one API key, if no other ingestor is at it."""
        try:
            await self._use_key_in_turn(key_hash)
        finally:
            del self._running[key_hash]

    async def _use_key_in_turn(self, key_hash: str) -> None:
        async with self._room:
            if self._stopping:
                return
            lease = Lease(self._leases, key_hash, self._holder, self._clock.monotonic)
            try:
                if not await lease.take():
                    self._not_before[key_hash] = self._clock.monotonic() + TRY_LEASE_AGAIN_SECONDS
                    return
                try:
                    async with lease.kept():
                        await self._work_off(key_hash, lease)
                finally:
                    await asyncio.shield(lease.give_back())
            except StoppingError:
                return
            except LeaseLostError as fault:
                _log.warning("the lease was lost", error=fault)
            except Exception as fault:  # noqa: BLE001 - whatever it is, it may be gone next time
                _log.warning("could not do what is due", error=fault)
                self._not_before[key_hash] = self._clock.monotonic() + TRY_LEASE_AGAIN_SECONDS

    async def _work_off(self, key_hash: str, lease: Lease) -> None:
        # Looked at again, now that nobody else can be at it: another may just have done it.
        sight = await self._see()
        for organization in sight.removed.values():
            if organization.cliniko.key_hash == key_hash and self._is_to_be_purged(organization):
                await self._purge(organization)
        for organization in sight.sharing(key_hash):
            todo = self._due(organization, sight)
            if todo is Due.NOTHING or self.must_stop(organization.id) or self.runner is None:
                continue
            await self.runner.run(
                Task(
                    organization,
                    todo,
                    sight.statuses.get(organization.id) or Status(),
                    sight.requests.get(organization.id, []),
                    self._pace(organization).interval,
                    self._budgets(key_hash, sight.requests_per_minute(key_hash)),
                    lease,
                )
            )

    async def _purge(self, organization: Organization) -> None:
        """Nothing is kept of an organization that was removed; the status, which others look for, goes last."""
        org = organization.id
        count = await self._stores.records.purge(org)
        await self._stores.intents.purge(org)
        await self._stores.cursors.purge(org)
        await self._stores.statuses.forget(org)
        self._purged[org] = organization.removed_at
        if count:
            _log.info("purged", organization_id=org, count=count)
