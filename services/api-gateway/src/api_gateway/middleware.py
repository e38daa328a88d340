"""What happens to every request, whatever its route: an id, a log line, headers, bounds, a last net."""

import asyncio
import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.errors import HEADERS_TOO_LARGE, INTERNAL, OVERLOADED, UNAVAILABLE, ProblemError
from shared.clock import Clock
from shared.faults import is_transient
from shared.logs import log_of

MAX_HEAD_BYTES = 32 * 1024
REQUEST_ID = "x-request-id"
SERVER_ERROR = 500

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_QUIET = frozenset({"/livez", "/readyz"})
"""Supervisors ask these every second: told only when something is wrong."""

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""On every answer that does not say otherwise itself."""

_log = log_of("access")


class RequestRecord:
    """Gives each request an id, every answer its standing headers, and the log one line.

    The line has the route's template, never the path or the query: those can name a patient.
    """

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = self._clock.monotonic()
        method = scope["method"]
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path_format", None) or "unmatched"
            if route not in _QUIET or status >= SERVER_ERROR:
                _log.info(
                    "request",
                    method=method if method in _METHODS else "?",
                    route=route,
                    status=status,
                    milliseconds=round((self._clock.monotonic() - begun) * 1000, 1),
                    request_id=request_id,
                )


class Guard:
    """Bounds how many requests run at once and how long; no exception gets past it.

    Waiting that can help is told as 503, a fault of ours as 500 with the request's id: the log
    has the error's class and place under it, clients learn neither.
    """

    def __init__(self, app: ASGIApp, *, max_requests: int, seconds: float) -> None:
        self._app = app
        self._max_requests = max_requests
        self._seconds = seconds
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        if _head_bytes(scope) > MAX_HEAD_BYTES:
            await _refuse(ProblemError(HEADERS_TOO_LARGE), scope, receive, send)
            return
        if self._running >= self._max_requests:
            await _refuse(ProblemError(OVERLOADED), scope, receive, send)
            return
        self._running += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, note_start)
        except Exception as fault:
            problem = ProblemError(UNAVAILABLE if is_transient(fault) else INTERNAL)
            _log.error(
                "request failed", error=fault, status=problem.kind.status, request_id=scope["state"]["request_id"]
            )
            if started:
                raise
            await _refuse(problem, scope, receive, send)
        finally:
            self._running -= 1


class HeadAsGet:
    """Answers HEAD as GET without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        as_get = {**scope, "method": "GET"}  # a copy: the server must know that it answers HEAD
        try:
            await self._app(as_get, receive, send_without_body)
        finally:
            scope["route"] = as_get.get("route")


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).getlist(REQUEST_ID)
    if len(given) == 1 and _UUID.fullmatch(given[0]):
        return given[0].lower()
    return str(uuid4())


def _head_bytes(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope.get("raw_path") or b"") + len(scope["query_string"])


async def _refuse(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem.response(instance=f"urn:uuid:{scope['state']['request_id']}")
    await response(scope, receive, send)
