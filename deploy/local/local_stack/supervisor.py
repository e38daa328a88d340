"""Keeps one stack running in the background until it is told to end."""

import signal
import threading
import time
from collections.abc import Mapping
from functools import partial
from types import FrameType
from typing import Any

from local_stack import board, environment, processes, servers
from local_stack.instances import Heartbeats
from local_stack.problems import StackError
from local_stack.processes import Process, Program
from local_stack.settings import SERVICES, Settings
from local_stack.unit import STOP_SECONDS, Unit

BUSY_TICK_SECONDS = 0.1
CALM_TICK_SECONDS = 0.5
FAILURES_BEFORE_GIVING_UP = 3  # while the stack starts; later it is tried for ever


class Supervisor:
    """Starts servers, then services; starts again what ends; follows the wanted counts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._units: dict[str, Unit] = {}
        self._heartbeats = Heartbeats(settings.mongodb_uri)
        self._told_to_end = threading.Event()
        self._phase = "starting"
        self._since = time.monotonic()

    def run(self) -> int:
        """Work until a signal says to end; then end everything. Returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        with board.supervisors_place(self._settings):
            try:
                self._report()
                self._start_servers()
                while not self._told_to_end.is_set():
                    self._told_to_end.wait(self._tick())
            except StackError as problem:
                return self._end(str(problem))
            except Exception as problem:  # noqa: BLE001 - whatever it is, nothing may be left running
                return self._end(f"the supervisor failed: {problem!r}")
            return self._end(None)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._told_to_end.set()

    def _start_servers(self) -> None:
        names = self._settings.own_servers
        for process in servers.start(self._settings, names, called_off=self._told_to_end.is_set):
            start = partial(servers.start_one, self._settings, process.name)
            self._units[process.name] = Unit(process.name, start, process=process)

    def _tick(self) -> float:
        """Do what is due, report, and say how long to rest."""
        self._follow(board.wanted(self._settings))
        for name, unit in list(self._units.items()):
            if not unit.tend():
                del self._units[name]
        everyone_ready = self._report()
        if self._phase == "starting":
            if everyone_ready:
                self._phase = "running"
                self._report()
            else:
                self._give_up_on_the_hopeless()
        return CALM_TICK_SECONDS if everyone_ready else BUSY_TICK_SECONDS

    def _follow(self, counts: Mapping[str, int]) -> None:
        names = {f"{service}-{number + 1}": service for service in SERVICES for number in range(counts[service])}
        for name, service in names.items():
            if name not in self._units:
                self._units[name] = Unit(name, partial(self._start_service, service, name), service=service)
        for name, unit in self._units.items():
            if unit.service is not None and name not in names:
                unit.retire()

    def _start_service(self, service: str, name: str) -> Process:
        program = Program(name, [self._settings.programs / service], environment.of_instance(self._settings, name))
        return processes.start(program, logs=self._settings.logs, run=self._settings.run)

    def _give_up_on_the_hopeless(self) -> None:
        for unit in self._units.values():
            if unit.failures >= FAILURES_BEFORE_GIVING_UP and not unit.was_ready:
                log = self._settings.logs / f"{unit.name}.log"
                raise StackError(f"{unit.name} does not start, see {log}:\n{unit.last_words}")

    def _report(self) -> bool:
        """Note how everyone is; returns whether all that is wanted, and nothing else, runs and is ready."""
        beats = self._heartbeats.states() if any(unit.service for unit in self._units.values()) else {}
        rows = [self._row(unit, beats) for unit in self._units.values()]
        ready = bool(rows) and all(row["state"] == "ready" for row in rows)
        state = {"phase": self._phase, "error": None, "counts": board.wanted(self._settings), "units": rows}
        board.report(self._settings, state | {"ready": ready})
        return ready

    def _row(self, unit: Unit, beats: Mapping[tuple[str, int], str]) -> dict[str, Any]:
        if unit.kill_at is not None:
            state = "stopping"
        elif unit.pid is None:
            state = "down"
        elif unit.service is None:
            state = "ready"
        else:
            state = beats.get((unit.name, unit.pid), "starting")
        unit.was_ready = unit.was_ready or state == "ready"
        return {"name": unit.name, "service": unit.service, "pid": unit.pid, "state": state, "restarts": unit.failures}

    def _end(self, error: str | None) -> int:
        """End all, services before servers; the report keeps the reason."""
        board.report(self._settings, {"phase": "stopping", "ready": False, "error": error, "units": []})
        self._heartbeats.close()
        services = [unit.process for unit in self._units.values() if unit.service and unit.process]
        others = [unit.process for unit in self._units.values() if not unit.service and unit.process]
        killed = processes.stop(services, within=STOP_SECONDS)
        killed += processes.stop(others, within=servers.STOP_SECONDS)
        for name in killed:
            print(f"{name} did not end when asked, and was killed", flush=True)
        phase = "failed" if error else "stopped"
        board.report(self._settings, {"phase": phase, "ready": False, "error": error, "units": []})
        return 1 if error else 0
