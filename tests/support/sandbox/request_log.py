"""Who asked what, when: so that tests can check a client's manners."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from support.sandbox.limits import WINDOW_SECONDS

KEPT = 50_000


@dataclass(frozen=True)
class Asked:
    """One request to the Cliniko side and how it was answered; `at` in epoch seconds."""

    at: float
    key: str | None
    method: str
    path: str
    query: str
    status: int
    fault: bool
    user_agent: str
    client: str
    peer: str
    took_ms: float


class RequestLog:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._asked: deque[Asked] = deque(maxlen=KEPT)

    def add(self, asked: Asked) -> None:
        """Note a request."""
        self._asked.append(asked)

    def clear(self) -> None:
        """Forget all."""
        self._asked.clear()

    def entries(self, *, key: str | None = None, path: str = "", since: float = 0.0) -> list[Asked]:
        """Return the requests of a key (None: of all) to paths that begin so, from an instant."""
        return [
            each
            for each in self._asked
            if (key is None or each.key == key) and each.path.startswith(path) and each.at >= since
        ]

    def summary(self) -> list[dict[str, Any]]:
        """Return per key: how many requests, the most in any 60 seconds, and by whom."""
        by_key: dict[str | None, list[Asked]] = {}
        for each in self._asked:
            by_key.setdefault(each.key, []).append(each)
        return [
            {
                "key": key,
                "requests": len(asked),
                "most_in_60_seconds": busiest(each.at for each in asked if each.status != 429 or each.fault),
                "statuses": dict(Counter(str(each.status) for each in asked)),
                "user_agents": sorted({each.user_agent for each in asked}),
                "clients": sorted({each.client for each in asked if each.client}),
                "peers": len({each.peer for each in asked}),
            }
            for key, asked in by_key.items()
        ]


def busiest(instants: Iterable[float]) -> int:
    """Return the most instants in any half-open window of 60 seconds."""
    ordered = sorted(instants)
    return max(
        (bisect_left(ordered, first + WINDOW_SECONDS) - place for place, first in enumerate(ordered)),
        default=0,
    )


def as_json(entries: Iterable[Asked]) -> list[dict[str, Any]]:
    """Return requests as JSON objects."""
    return [asdict(each) for each in entries]
