"""Requests to the gateway over one kept connection, and what they took."""

import http.client
import json
import time
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

    def time(self, path: str, *, count: int, **parameters: str) -> Taken:
        """What an answer takes, warm."""
        spent = []
        for number in range(WARM_UP + count):
            began = time.perf_counter()
            status, body = self.get(path, **parameters)
            if status != 200:
                raise RuntimeError(f"{path} answered {status}: {body}")
            if number >= WARM_UP:
                spent.append((time.perf_counter() - began) * 1e3)
        return Taken(median(spent), percentile(spent, 0.99), count)

    def close(self) -> None:
        """Disconnects."""
        self._connection.close()
