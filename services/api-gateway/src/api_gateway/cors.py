"""Which web pages of other origins may call the gateway: those that ALLOWED_ORIGINS lists."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from api_gateway.errors import ORIGIN_NOT_ALLOWED, ProblemError

REQUEST_HEADERS = ("Authorization", "Content-Type", "If-None-Match", "X-Request-Id")
RESPONSE_HEADERS = ("ETag", "Retry-After", "X-Request-Id")
MAX_AGE_SECONDS = 600

_ALLOWED = 200


class Cors(CORSMiddleware):
    """Answers preflights, and tells browsers who may read an answer; cookies are never used."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
            max_age=MAX_AGE_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """204, or 403 without a word about what is allowed."""
        verdict = super().preflight_response(request_headers)
        if verdict.status_code != _ALLOWED:
            return ProblemError(ORIGIN_NOT_ALLOWED, headers={"vary": verdict.headers["vary"]}).response()
        headers = {name: value for name, value in verdict.headers.items() if not name.startswith("content-")}
        return Response(status_code=204, headers=headers)
