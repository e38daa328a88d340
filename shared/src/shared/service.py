"""How a service runs: it starts its parts in order, and stops them in reverse when told to."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import ValidationError

from shared.clock import Clock, SystemClock
from shared.faults import describe, place_of
from shared.garbage import look_for_garbage_less_often
from shared.health import Health, HealthServer, Heartbeat
from shared.logs import configure_logs, log_of
from shared.mongo import DatabaseClient, open_database_client
from shared.settings import ServiceSettings
from shared.tasks import cancelled

STOP_SECONDS = 10.0

_log = log_of("service")


class Part(Protocol):
    """Something that runs; `not_ready` and `not_live` are asked too, where a part has them."""

    async def start(self) -> None:
        """Returns once the part does its work; may wait for servers that are away."""
        ...

    async def stop(self) -> None:
        """Returns once the part has let go of everything; called also when `start` failed."""
        ...


@runtime_checkable
class _SaysWhetherReady(Protocol):
    def not_ready(self) -> Sequence[str]: ...


@runtime_checkable
class _SaysWhetherLive(Protocol):
    def not_live(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Runtime:
    """What every service is given."""

    service: str
    instance: str
    settings: ServiceSettings
    clock: Clock
    databases: DatabaseClient
    fail: Callable[[BaseException], None]
    """Stops the service with exit status 1; for what a restart or a person has to mend."""


Create = Callable[[Runtime], Sequence[Part]]
"""Builds the parts of a service, in the order in which they start; connects nothing."""


def run(service: str, create: Create, settings: type[ServiceSettings] = ServiceSettings) -> None:
    """Runs a service until SIGTERM or SIGINT (exit status 0) or a fatal error (1)."""
    try:
        told = settings()
    except ValidationError as invalid:
        configure_logs(service, str(os.getpid()))
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in invalid.errors()]
        _log.critical("the settings are wrong", reasons=wrong)
        sys.exit(1)
    configure_logs(service, told.instance_of(service), told.log_level)
    with suppress(ImportError):
        import uvloop  # a faster loop, where one is installed

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    sys.exit(asyncio.run(serve(service, create, told)))


async def serve(service: str, create: Create, settings: ServiceSettings, clock: Clock | None = None) -> int:
    """Runs a service in this loop and returns its exit status."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def fail(fault: BaseException) -> None:
        if not ended.done():
            ended.set_result(fault)

    def on_signal(name: str) -> None:
        _log.info("stopping", signal=name)
        if not ended.done():
            ended.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    clock = clock or SystemClock()
    instance = settings.instance_of(service)
    databases = open_database_client(settings.mongodb_uri, settings.mongo_driver)
    runtime = Runtime(service, instance, settings, clock, databases, fail)
    try:
        fault = await _serve_parts(runtime, create, ended)
    finally:
        await databases.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    if fault is None:
        _log.info("stopped", exit_code=0)
        return 0
    _log.critical("stopped by an error", error=describe(fault), place=place_of(fault), exit_code=1)
    return 1


async def _serve_parts(
    runtime: Runtime, create: Create, ended: "asyncio.Future[BaseException | None]"
) -> BaseException | None:
    try:
        own = list(create(runtime))
    except Exception as wrong:  # noqa: BLE001 - whatever it is, the service does not start
        return wrong
    health = Health(
        lambda: [why for part in own if isinstance(part, _SaysWhetherReady) for why in part.not_ready()],
        lambda: [why for part in own if isinstance(part, _SaysWhetherLive) for why in part.not_live()],
    )
    server = HealthServer(health, runtime.settings.health_host, runtime.settings.health_port)
    heartbeat = Heartbeat(
        runtime.databases["reengage"],
        health,
        service=runtime.service,
        instance=runtime.instance,
        clock=runtime.clock,
    )
    started: list[Part] = []

    async def start_all() -> None:
        parts: list[Part] = [server, heartbeat, *own]
        for part in parts:
            started.append(part)
            await part.start()
            heartbeat.health_port = server.port
        look_for_garbage_less_often()
        health.started = True
        _log.info("ready", port=server.port)

    starting = asyncio.create_task(start_all())
    await asyncio.wait((starting, ended), return_when=asyncio.FIRST_COMPLETED)
    fault = starting.exception() if starting.done() else None
    if fault is None:
        fault = await ended
    await cancelled(starting)
    health.stopping = True
    await _stop_all(started, runtime.clock)
    return fault


async def _stop_all(started: Sequence[Part], clock: Clock) -> None:
    deadline = clock.monotonic() + STOP_SECONDS
    for part in reversed(started):
        try:
            await asyncio.wait_for(part.stop(), max(0.1, deadline - clock.monotonic()))
        except TimeoutError:
            _log.warning("did not stop in time", task=type(part).__name__)
        except Exception as fault:  # noqa: BLE001 - the other parts are stopped all the same
            _log.warning("did not stop cleanly", task=type(part).__name__, error=fault)


class BackgroundTask:
    """A part that runs a coroutine function until it is stopped; its failure is fatal."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        fail: Callable[[BaseException], None],
        not_ready: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._name = name
        self._work = work
        self._fail = fail
        self.not_ready = not_ready
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins the work."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Cancels the work and waits for it to end."""
        if self._task is not None:
            await cancelled(self._task)

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the service stops for it
            self._fail(fault)
