"""Synchronizes one organization from begin to end: key, client, status, and those who asked for it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import httpx

from ingestor.cliniko import Cliniko
from ingestor.due import Due, answers
from ingestor.errors import LeaseLostError, RefusedError, SuspiciousLossError
from ingestor.ledger import Producer, Work
from ingestor.lists import nothing_between
from ingestor.meanwhile import Meanwhile
from ingestor.plan import Run
from ingestor.store.requests import Progress
from ingestor.store.state import FullRun, State
from ingestor.sync import Synchronizer
from ingestor.task import StoppingError, Stores, Task
from shared.clock import Clock
from shared.faults import StatedError, describe
from shared.identity import KeySealer, SealError
from shared.logs import log_of

REPORT_EVERY_SECONDS = 0.5

_LAST_WRITES_SECONDS = 3.0

_log = log_of("runner")


class Runner:
    """Does synchronizations; what goes wrong ends up in the status and with those who asked."""

    def __init__(
        self,
        stores: Stores,
        producer: Producer,
        http: httpx.AsyncClient,
        sealer: KeySealer,
        clock: Clock,
        *,
        overlap_seconds: float,
        must_stop: Callable[[str], bool],
    ) -> None:
        self._stores = stores
        self._producer = producer
        self._http = http
        self._sealer = sealer
        self._clock = clock
        self._overlap = overlap_seconds
        self._must_stop = must_stop

    async def run(self, task: Task) -> None:
        """Synchronizes; raises only what concerns the API key or this process as a whole."""
        _log.info("synchronizing", organization_id=task.org, full=task.due is Due.ALL)
        await self._stores.statuses.write(
            task.org,
            state="syncing",
            last_started_at=self._clock.now(),
            stored_key=task.organization.cliniko.stored_key,
        )
        await self._stores.requests.running(task.request_ids)
        try:
            await self._synchronize(task)
        except LeaseLostError:
            raise  # whoever has the key now goes on, also with what was asked for
        except (StoppingError, asyncio.CancelledError):
            await asyncio.shield(self._put_back(task))
            raise
        except (RefusedError, SuspiciousLossError, SealError) as fault:
            await self._end(task, "stopped", fault)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the other organizations go on
            await self._end(task, "failing", fault)

    async def _synchronize(self, task: Task) -> None:
        work = Work(task.org, self._stores.records, self._stores.intents, self._producer, task.lease, self._clock)
        cliniko = self._cliniko(task)
        full_run = await self._full_run(task)
        meanwhile = Meanwhile(self._stores, task, cliniko, work, overlap_seconds=self._overlap)

        async def report(progress: Progress) -> None:
            await self._report(task, progress)

        synchronizer = Synchronizer(
            cliniko,
            work,
            self._stores.cursors,
            overlap_seconds=self._overlap,
            report=report,
            between=meanwhile.look if full_run is not None else nothing_between,
        )
        run = await synchronizer.run(full_run=full_run)
        now = self._clock.now()
        changes = {"last_sync_time": now, "last_error": None, "failures": 0}
        if full_run is not None:
            await self._stores.cursors.end_full_run(task.org)
            changes["last_full_sync_time"] = now
        await self._stores.statuses.write(task.org, state="ok", last_ended_at=now, resources=_resources(run), **changes)
        read = sum(counts.read for counts in run.counts.values())
        await self._stores.requests.done(task.request_ids, Progress("all", read, read, work.published))
        await self._stores.requests.also_published(task.org, work.published)
        _log.info(
            "synchronized",
            organization_id=task.org,
            full=full_run is not None,
            read=read,
            published=work.published,
        )

    def _cliniko(self, task: Task) -> Cliniko:
        access = task.organization.cliniko

        def may_ask() -> None:
            task.lease.check()
            if self._must_stop(task.org):
                raise StoppingError("stopping")

        return Cliniko(
            self._http,
            base_url=access.base_url,
            api_key=self._sealer.open(access.key, organization_id=task.org),
            contact_email=access.contact_email,
            budget=task.budget,
            clock=self._clock,
            may_ask=may_ask,
        )

    async def _full_run(self, task: Task) -> int | None:
        """The begin of the full load to do: a new one, or the one that was not finished."""
        opened = await self._stores.cursors.open_full_run(task.org)
        asked_for = [request for request in task.requests if request.full]
        if opened is not None and all(answers(opened, request) for request in asked_for):
            return opened.began_at
        if task.due is not Due.ALL:
            return None
        again = any(request.again for request in asked_for)
        if again:
            await self._stores.records.doubt_all(task.org)
        began_at = self._clock.now()
        await self._stores.cursors.begin_full_run(task.org, FullRun(began_at, again))
        return began_at

    async def _report(self, task: Task, progress: Progress) -> None:
        now = self._clock.monotonic()
        ids = [*task.request_ids, *task.watchers]
        if ids and now >= task.reported_at + REPORT_EVERY_SECONDS:
            task.reported_at = now
            await self._stores.requests.progress(ids, progress)

    async def _end(self, task: Task, state: State, fault: BaseException) -> None:
        error = str(fault) if isinstance(fault, StatedError | SealError) else describe(fault)
        _log.error("not synchronized", organization_id=task.org, state=state, error=fault)
        await self._stores.statuses.write(
            task.org,
            state=state,
            last_ended_at=self._clock.now(),
            last_error=error,
            failures=task.status.failures + 1,
        )
        await self._stores.requests.failed(task.request_ids, error)

    async def _put_back(self, task: Task) -> None:
        """As if it had not been begun; best effort, the next ingestor would find out anyway."""
        with suppress(Exception):
            async with asyncio.timeout(_LAST_WRITES_SECONDS):
                await self._stores.requests.again([*task.request_ids, *task.watchers])
                await self._stores.statuses.write(
                    task.org, state=task.status.state, last_started_at=task.status.last_started_at
                )


def _resources(run: Run) -> dict[str, dict[str, int]]:
    return {resource: asdict(counts) for resource, counts in run.counts.items()}
