"""How many requests a key may still make."""

import math
from collections import deque

WINDOW_SECONDS = 60.0


class RateLimit:
    """Lets at most so many requests of one key through in any 60 seconds."""

    def __init__(self) -> None:
        self._taken: dict[str, deque[float]] = {}

    def take(self, key: str, *, now: float, limit: int) -> int | None:
        """Count a request and return None, or refuse it uncounted.

        Refused: returns the epoch second, rounded up, at which the next one will be let through.
        """
        taken = self._taken.setdefault(key, deque())
        while taken and taken[0] <= now - WINDOW_SECONDS:
            taken.popleft()
        if len(taken) >= limit:
            return math.ceil(taken[len(taken) - limit] + WINDOW_SECONDS)
        taken.append(now)
        return None

    def forget(self, key: str) -> None:
        """Let a key start afresh."""
        self._taken.pop(key, None)
