"""up, down and scale: what a person asks of a stack."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from local_stack import board, checks, environment, processes, servers
from local_stack.problems import StackError
from local_stack.processes import Process, Program
from local_stack.settings import HOST, SERVICES, Settings
from local_stack.unit import STOP_SECONDS

POLL_SECONDS = 0.1
SUPERVISOR = "supervisor"
LONGEST_STOP_SECONDS = 75.0


def up(
    settings: Settings,
    *,
    extra_ports: Mapping[int, str] | None = None,
    beside: Callable[[], object] = bool,
    afterwards: Callable[[Settings], object] = bool,
) -> None:
    """Start the stack, unless it runs, and return when every service is ready.

    When it is started, `beside` is called meanwhile, and `afterwards` once it is ready. StackError when it runs with
    other settings than the environment asks for.
    """
    began = time.monotonic()
    checks.environment_suits(settings)
    if not board.has_supervisor(settings):
        _stop_recorded(settings)  # what a killed supervisor left
        checks.before_start(settings, extra_ports=extra_ports)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with board.one_at_a_time(settings):
        if board.has_supervisor(settings):
            _await_ready(settings)
            print(f"already running in {settings.home}")
        else:
            _start(settings, beside)
            print(f"ready after {time.monotonic() - began:.1f} s; logs in {settings.logs}")
            afterwards(settings)
    running = environment.published(settings)
    print(f"gateway   http://{HOST}:{running['REENGAGE_GATEWAY_PORT']}")
    print(f"Kafka     {running['KAFKA_BOOTSTRAP_SERVERS']}")
    print(f"MongoDB   {running['MONGODB_URI']}")
    if others := environment.asked_otherwise(settings, running):
        raise StackError(f"it runs with other settings ({'; '.join(others)}): run `make down` first, then `make up`")


def _start(settings: Settings, beside: Callable[[], object]) -> None:
    board.want(settings, dict.fromkeys(SERVICES, 1))
    board.report(settings, {"phase": "starting", "ready": False, "error": None, "units": []})
    environment.publish(settings)
    command = [sys.executable, "-m", "local_stack", "supervise"]
    supervisor = processes.start(Program(SUPERVISOR, command), logs=settings.logs, run=settings.run)
    try:
        beside()
        _await_ready(settings, supervisor)
    except BaseException:
        processes.stop([supervisor], within=LONGEST_STOP_SECONDS)
        raise


def down(settings: Settings) -> None:
    """End the stack, whoever of it is left; its data stays."""
    names = _stop_recorded(settings)
    print(f"stopped; the data stays in {settings.home}" if names else f"nothing runs in {settings.home}")


def _stop_recorded(settings: Settings) -> list[str]:
    """End all of this home that runs: the supervisor ends its own, and servers end last. Returns their names."""
    left = processes.all_recorded(settings.run / "demo") + processes.all_recorded(settings.run)
    supervisor = [process for process in left if process.name == SUPERVISOR]
    servers_ = [process for process in left if process.name in ("mongodb", "kafka")]
    processes.stop(supervisor, within=LONGEST_STOP_SECONDS)
    processes.stop([process for process in left if process not in servers_], within=STOP_SECONDS)
    processes.stop(servers_, within=servers.STOP_SECONDS)
    return [process.name for process in left]


def scale(settings: Settings, service: str, count: str) -> None:
    """Have that many instances of a service, and return when they are ready and the others are gone."""
    if service not in SERVICES:
        raise StackError(f"SERVICE must be one of {', '.join(SERVICES)}, not {service!r}")
    largest = board.LARGEST_CONSUMER_COUNT if service in board.CONSUMERS else board.LARGEST_COUNT
    if not count.isdecimal() or int(count) > largest:
        raise StackError(f"COUNT of {service} must be a number from 0 to {largest}, not {count!r}")
    if not board.has_supervisor(settings):
        raise StackError(f"nothing runs in {settings.home}: run `make up` first")
    board.want(settings, board.wanted(settings) | {service: int(count)})
    wanted = {f"{service}-{number + 1}" for number in range(int(count))}

    def reached(state: dict[str, Any]) -> bool:
        rows = [row for row in state.get("units", ()) if row["service"] == service]
        return {row["name"] for row in rows} == wanted and all(row["state"] == "ready" for row in rows)

    _await(settings, reached, f"{service} does not get to {count} ready instances")
    print(f"{service}: {count} ready")


def _await_ready(settings: Settings, supervisor: Process | None = None) -> None:
    def ready(state: dict[str, Any]) -> bool:
        if state.get("error") or state.get("phase") in ("failed", "stopped"):
            raise StackError(state.get("error") or "the stack was stopped while it started")
        if supervisor is not None and not supervisor.alive():
            log = settings.logs / f"{SUPERVISOR}.log"
            raise StackError(f"the supervisor ended, see {log}:\n{supervisor.last_words()}")
        return bool(state.get("ready"))

    _await(settings, ready, "the stack does not get ready")


def _await(settings: Settings, reached: Callable[[dict[str, Any]], bool], problem: str) -> None:
    deadline = time.monotonic() + settings.start_timeout
    while not reached(state := board.reported(settings)):
        if time.monotonic() > deadline:
            waiting = [f"{row['name']} {row['state']}" for row in state.get("units", ()) if row["state"] != "ready"]
            raise StackError(f"{problem} ({', '.join(waiting) or state.get('phase')}): see the logs in {settings.logs}")
        time.sleep(POLL_SECONDS)
