"""Requests to the gateway over one kept connection, and what they took."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bench.publishing import median, percentile

WARM_UP = 5


@dataclass(frozen=True)
class Taken:
    """Milliseconds of one kind of request."""

    median: float
    p99: float
    count: int


class Client:
    """One caller of one organization."""

    def __init__(self, port: int, organization: str, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._base = f"/api/v1/reengagement/{organization}/"

    def get(self, path: str, **parameters: str) -> tuple[int, Any]:
        """Status and body."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        self._connection.request("GET", self._base + path + query, headers=self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def spent(self, path: str, **parameters: str) -> float:
        """Milliseconds that one answer took."""
        began = time.perf_counter()
        status, body = self.get(path, **parameters)
        if status != 200:
            raise RuntimeError(f"{path} answered {status}: {body}")
        return (time.perf_counter() - began) * 1e3

    def close(self) -> None:
        """Disconnects."""
        self._connection.close()


def in_turns(clients: Mapping[str, Client], path: str, *, count: int, **parameters: str) -> dict[str, Taken]:
    """What an answer takes, warm, by client. They ask in turns, so that all meet the same machine."""
    spent: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(WARM_UP + count):
        for name, client in clients.items():
            took = client.spent(path, **parameters)
            if number >= WARM_UP:
                spent[name].append(took)
    return {name: Taken(median(took), percentile(took, 0.99), count) for name, took in spent.items()}
