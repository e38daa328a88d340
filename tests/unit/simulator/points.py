"""Where a simulated process can be stopped: between any two effects that others can see."""

from collections.abc import Coroutine, Generator
from typing import Any


class Point:
    """`await Point("x")` gives every other process its turn, and death its chance."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __await__(self) -> Generator[str, None, None]:
        yield self.name


class Task:
    """A coroutine that is run from point to point."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        self.at = "start"

    def step(self) -> str:
        """Runs to the next point; its name."""
        self.at = self._work.send(None) or "yield"
        return self.at

    def kill(self) -> None:
        self._work.close()
