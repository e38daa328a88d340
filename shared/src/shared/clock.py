"""What time is it? The only reader of the wall clock; everything else takes an instant, or a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where a service reads the time: tests hand in one of their own."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary moment, never running backwards."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Seconds from an arbitrary moment, never running backwards."""
        return time.monotonic()
