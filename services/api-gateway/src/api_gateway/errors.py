"""What clients are told when a request fails: RFC 9457 problems that never repeat the request.

A value of a request may be a patient's name, number or address, and problems end up in logs
and tickets: they name parameters and places, never what was sent there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Kind(NamedTuple):
    """One kind of problem; `name` is the stable end of its `type`."""

    name: str
    status: int
    title: str
    detail: str

    @property
    def type(self) -> str:
        """The problem's type: a path of this server, which explains it."""
        return f"/problems/{self.name}"


NOT_AUTHENTICATED = Kind(
    "not-authenticated",
    401,
    "A valid token is needed",
    "Send 'Authorization: Bearer TOKEN' with a token that was neither revoked nor has expired.",
)
NOT_ALLOWED = Kind(
    "not-allowed",
    403,
    "Not allowed for this role",
    "The token is valid for this organization, but its role does not permit this request.",
)
NOT_FOUND = Kind(
    "not-found",
    404,
    "Not found",
    "There is nothing here, or nothing that this token may see.",
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed", 405, "Method not allowed", "The Allow header names the methods of this route."
)
TIMED_OUT = Kind("timed-out", 408, "The request took too long", "The body did not arrive in time.")
ORIGIN_NOT_ALLOWED = Kind(
    "origin-not-allowed",
    403,
    "Origin not allowed",
    "ALLOWED_ORIGINS does not list this origin, or the request uses a method or header that no route takes.",
)
BODY_TOO_LARGE = Kind("body-too-large", 413, "The body is too large", "A request may hold at most 1 MiB.")
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type",
    415,
    "Unsupported media type",
    "Send application/json, application/cloudevents+json or application/cloudevents-batch+json in UTF-8,"
    " without a content encoding.",
)
MALFORMED = Kind("malformed", 422, "Malformed request", "The request breaks a rule of the API: see errors.")
NOTHING_ACCEPTABLE = Kind(
    "nothing-acceptable",
    422,
    "No acceptable event",
    "None of the events could be accepted, nothing was recorded: see rejected.",
)
HEADERS_TOO_LARGE = Kind(
    "headers-too-large", 431, "Request headers are too large", "The request line and headers exceed 32 KiB."
)
BAD_REQUEST = Kind("bad-request", 400, "Bad request", "This is not HTTP that the server understands.")
INTERNAL = Kind(
    "internal", 500, "Internal error", "The server failed; its log has this request under the id in X-Request-Id."
)
UNAVAILABLE = Kind(
    "unavailable",
    503,
    "Temporarily unavailable",
    "Something that the answer needs is out of reach: try again after Retry-After seconds.",
)
OVERLOADED = Kind("overloaded", 503, "Too busy", "Too many requests at once: try again after Retry-After seconds.")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        BAD_REQUEST,
        NOT_AUTHENTICATED,
        NOT_ALLOWED,
        ORIGIN_NOT_ALLOWED,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        TIMED_OUT,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        MALFORMED,
        NOTHING_ACCEPTABLE,
        HEADERS_TOO_LARGE,
        INTERNAL,
        UNAVAILABLE,
        OVERLOADED,
    )
}

_OF_STATUS = {401: NOT_AUTHENTICATED, 403: NOT_ALLOWED, 404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 413: BODY_TOO_LARGE}


class Flaw(NamedTuple):
    """One thing wrong with a request: where (a parameter, or a JSON pointer into the body), and what."""

    detail: str
    parameter: str | None = None
    pointer: str | None = None

    def shown(self) -> dict[str, str]:
        """The entry in a problem's `errors`."""
        if self.parameter is not None:
            return {"parameter": self.parameter, "detail": self.detail}
        return {"pointer": self.pointer or "#", "detail": self.detail}


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        kind: Kind,
        *,
        errors: Iterable[Flaw] = (),
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.errors = [flaw.shown() for flaw in errors]
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def response(self, *, instance: str | None = None) -> Response:
        """The answer. Only failures of the server name an `instance`.

        All others are the same, byte for byte, for everyone: two 404 that differ in an id
        would still be the same answer, but nobody could check that.
        """
        body = problem_body(self.kind, errors=self.errors, extra=self.extra, instance=instance)
        headers = {"cache-control": "no-store"} | self.headers
        if self.kind.status == NOT_AUTHENTICATED.status:
            headers["www-authenticate"] = 'Bearer realm="reengage"'
        if self.kind.status == UNAVAILABLE.status:
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
        return Response(body, self.kind.status, headers, MEDIA_TYPE)


def problem_body(
    kind: Kind,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    extra: Mapping[str, Any] | None = None,
    instance: str | None = None,
) -> bytes:
    """A problem as JSON; `errors` is always there, so that clients need not ask."""
    return orjson.dumps(
        {"type": kind.type, "title": kind.title, "status": kind.status, "detail": kind.detail, "errors": errors}
        | ({"instance": instance} if instance else {})
        | dict(extra or {})
    )


def malformed(*flaws: Flaw) -> ProblemError:
    """422 that names what is wrong with the request."""
    return ProblemError(MALFORMED, errors=flaws)


def not_found() -> ProblemError:
    """404, the same for what does not exist and for what the caller may not see."""
    return ProblemError(NOT_FOUND)


def flaws_of(error: RequestValidationError) -> list[Flaw]:
    """The flaws that FastAPI found in parameters, without the values it quotes.

    Our own models write the messages; they never repeat a value.
    """
    return [
        Flaw(_told(found["msg"]), parameter=str(found["loc"][1])) for found in error.errors() if len(found["loc"]) > 1
    ]


def _told(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "must be", 1)


async def on_problem(_: Request, error: Exception) -> Response:
    """Answers a ProblemError."""
    assert isinstance(error, ProblemError)
    return error.response()


async def on_malformed(_: Request, error: Exception) -> Response:
    """Answers what FastAPI found wrong with parameters."""
    assert isinstance(error, RequestValidationError)
    return malformed(*flaws_of(error)).response()


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Answers the framework's own refusals: unknown routes and wrong methods."""
    assert isinstance(error, HTTPException)
    kind = _OF_STATUS.get(error.status_code, BAD_REQUEST if error.status_code < INTERNAL.status else INTERNAL)
    allow = (error.headers or {}).get("Allow", "")
    if allow == "GET":
        allow = "GET, HEAD"
    return ProblemError(kind, headers={"allow": allow} if allow else {}).response()
