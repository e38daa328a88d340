"""One program that the supervisor keeps running: started again, later and later, when it ends by itself."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from local_stack.processes import Process

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 30.0  # who ran this long starts with the first pause again
STOP_SECONDS = 20.0


@dataclass
class Unit:
    """A program of this name, wanted to run until `retire` was called."""

    name: str
    start: Callable[[], Process]
    service: str | None = None
    process: Process | None = None
    was_ready: bool = False
    failures: int = 0
    last_words: str = ""
    """The end of what it wrote when it last ended by itself."""

    started_at: float = field(default_factory=time.monotonic)
    start_again_at: float = 0.0
    kill_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.alive()

    @property
    def pid(self) -> int | None:
        """Its process's id, as long as it runs."""
        return self.process.pid if self.process is not None and self.process.alive() else None

    def retire(self) -> None:
        """Ask it to end; `tend` kills it when it takes too long."""
        if self.kill_at is None:
            self.kill_at = time.monotonic() + STOP_SECONDS
            if self.process is not None:
                self.process.send(signal.SIGTERM)

    def tend(self) -> bool:
        """Do what is due now. Returns whether the unit is still wanted or still there."""
        now = time.monotonic()
        if self.kill_at is not None:
            return self._see_it_end(now)
        if self.process is None:
            if now >= self.start_again_at:
                self.process, self.started_at = self.start(), now
        elif not self.process.alive():
            self._plan_another_start(now)
        return True

    def _see_it_end(self, now: float) -> bool:
        assert self.kill_at is not None
        if self.process is None or not self.process.alive():
            if self.process is not None:
                self.process.pid_file.unlink(missing_ok=True)
            return False
        if now >= self.kill_at:
            self.process.send(signal.SIGKILL)
        return True

    def _plan_another_start(self, now: float) -> None:
        if now - self.started_at >= STEADY_SECONDS:
            self.failures = 0
        pause = min(FIRST_PAUSE_SECONDS * 2**self.failures, LONGEST_PAUSE_SECONDS)
        self.failures += 1
        self.last_words = self.process.last_words() if self.process is not None else ""
        self.process, self.start_again_at = None, now + pause
