"""What goes wrong on purpose: answers replaced, delayed or cut off, so many times."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STATUSES = (400, 401, 403, 404, 429, 500, 502, 503, 504)
_KNOWN = {"path", "method", "times", "status", "delay", "cut", "reset_in"}


@dataclass
class Fault:
    """One rule: what happens to the next `times` requests whose path (and query) match."""

    path: re.Pattern[str]
    times: int
    method: str | None = None
    status: int | None = None
    delay: float = 0.0
    cut: bool = False
    reset_in: float = 1.0

    @classmethod
    def read(cls, rule: Mapping[str, Any]) -> "Fault":
        """Read a rule as the admin path takes it. Raises ValueError."""
        if unknown := rule.keys() - _KNOWN:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        status = rule.get("status")
        if status is not None and status not in STATUSES:
            raise ValueError(f"status must be one of {STATUSES}")
        try:
            return cls(
                path=re.compile(str(rule.get("path", ""))),
                times=int(rule.get("times", 1)),
                method=rule.get("method"),
                status=status,
                delay=float(rule.get("delay", 0.0)),
                cut=bool(rule.get("cut", False)),
                reset_in=float(rule.get("reset_in", 1.0)),
            )
        except (re.error, TypeError) as error:
            raise ValueError(str(error)) from error

    def meets(self, method: str, target: str) -> bool:
        """Say whether this rule is about a request."""
        return self.times > 0 and self.method in (None, method) and self.path.search(target) is not None

    def as_json(self) -> dict[str, Any]:
        """Return the rule with what is left of it."""
        return {**vars(self), "path": self.path.pattern}


class Faults:
    """The rules of one key, tried in order."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def next(self, method: str, target: str) -> Fault | None:
        """Return the fault that meets a request, one fewer left of it; None if all is well."""
        for rule in self.rules:
            if rule.meets(method, target):
                rule.times -= 1
                return rule
        return None


class CutResponse(Response):
    """A whole answer of which only the first half arrives before the connection closes."""

    def __init__(self, whole: Response) -> None:
        super().__init__(bytes(whole.body), whole.status_code, dict(whole.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and half of the body, then stop: the server closes the connection."""
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        half = bytes(self.body)[: len(self.body) // 2]
        await send(start)
        await send({"type": "http.response.body", "body": half, "more_body": True})
