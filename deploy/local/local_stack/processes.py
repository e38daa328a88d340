"""Processes that a stack starts, finds again later, and ends: those and no others."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_stack.settings import ROOT

LOG_BYTES_KEPT = 50_000_000
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """What to run, and under which name."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] | None = None
    files: Sequence[int] = ()
    """Open files that it gets, under the same numbers."""


@dataclass
class Process:
    """A started program. `started` tells it from a later one that got the same id."""

    name: str
    pid: int
    started: str
    pid_file: Path
    child: subprocess.Popen[bytes] | None = None
    log: Path | None = None
    log_began: int = 0
    """Where in its log this process's own lines begin: earlier ones are of earlier starts."""

    def alive(self) -> bool:
        """Whether it still runs."""
        if self.child is not None:
            return self.child.poll() is None
        return start_of(self.pid) == self.started

    def last_words(self, lines: int = 8) -> str:
        """The end of what it wrote, for a person."""
        return "" if self.log is None else tail(self.log, lines, begin=self.log_began)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def start_of(pid: int) -> str | None:
    """What tells process `pid` from any other ever: boot and start tick; None when there is none (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def start(program: Program, *, logs: Path, run: Path) -> Process:
    """Start a program in a session of its own, its output appended to `logs`, its id written to `run`."""
    logs.mkdir(parents=True, exist_ok=True)
    run.mkdir(parents=True, exist_ok=True)
    log = logs / f"{program.name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES_KEPT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        log_began = output.tell()
        child = subprocess.Popen(
            [str(part) for part in program.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=ROOT,
            env=None if program.environment is None else dict(program.environment),
            pass_fds=program.files,
        )
    pid_file = run / f"{program.name}.pid"
    process = Process(program.name, child.pid, start_of(child.pid) or "", pid_file, child, log, log_began)
    write_whole(process.pid_file, json.dumps({"pid": process.pid, "started": process.started}))
    return process


def recorded(run: Path, name: str) -> Process | None:
    """The running process that `run` remembers under this name."""
    pid_file = run / f"{name}.pid"
    try:
        noted = json.loads(pid_file.read_text())
    except (OSError, ValueError):
        return None
    process = Process(name, int(noted["pid"]), str(noted["started"]), pid_file)
    return process if process.alive() else None


def all_recorded(run: Path) -> list[Process]:
    """Every running process that `run` remembers."""
    found = (recorded(run, pid_file.stem) for pid_file in sorted(run.glob("*.pid")))
    return [process for process in found if process is not None]


def stop(processes: Iterable[Process], *, within: float) -> list[str]:
    """End these: politely, and after `within` seconds for good. Returns the names of those that had to be killed."""
    left = list(processes)
    for process in left:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + within
    while (running := [process for process in left if process.alive()]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for process in running:
        process.send(signal.SIGKILL)
    while any(process.alive() for process in running):
        time.sleep(POLL_SECONDS)
    for process in left:
        process.pid_file.unlink(missing_ok=True)
    return [process.name for process in running]


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


def tail(log: Path, lines: int = 8, *, begin: int = 0) -> str:
    """The end of a log, for a person; of what stands after its first `begin` bytes."""
    try:
        with log.open("rb") as file:
            file.seek(begin)
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
