"""What needs no token: is the process alive, can it answer, what does the API look like."""

from collections.abc import Callable, Sequence
from importlib.resources import files

import orjson
from fastapi import APIRouter, FastAPI, Request, Response

from api_gateway.answers import answer
from api_gateway.errors import KINDS, UNAVAILABLE, ProblemError, not_found
from api_gateway.openapi import Responses, answered, problem_responses
from api_gateway.schemas.problems import Health

NotReady = Callable[[], Sequence[str]]

_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = {
    "explorer.js": "text/javascript; charset=utf-8",
    "explorer.css": "text/css; charset=utf-8",
}


def service_routes(app: FastAPI, *, not_ready: NotReady) -> APIRouter:
    """The router of everything without a token; `not_ready` gives the reasons, none when ready."""
    router = APIRouter(tags=["Service"])
    page = _asset("explorer.html")
    assets = {name: _asset(name) for name in _ASSETS}

    @router.get("/livez", responses=_health_responses("live"))
    async def livez() -> Response:
        """Whether the process lives."""
        return _json({"state": "live", "reasons": []})

    @router.get("/readyz", responses=_health_responses("ready") | problem_responses([UNAVAILABLE]))
    async def readyz() -> Response:
        """Whether the gateway can answer: MongoDB and Kafka are in reach."""
        reasons = list(not_ready())
        if reasons:
            raise ProblemError(UNAVAILABLE, extra={"state": "not ready", "reasons": reasons})
        return _json({"state": "ready", "reasons": []})

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi_document(request: Request) -> Response:
        return answer(request, app.openapi())

    @router.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        headers = {"content-security-policy": _DOCS_POLICY, "cache-control": "no-cache"}
        return Response(page, headers=headers, media_type="text/html; charset=utf-8")

    @router.get("/docs/{name}", include_in_schema=False)
    async def docs_asset(name: str) -> Response:
        if name not in assets:
            raise not_found()
        return Response(assets[name], headers={"cache-control": "no-cache"}, media_type=_ASSETS[name])

    @router.get("/problems/{name}", include_in_schema=False)
    async def problem(name: str) -> Response:
        if name not in KINDS:
            raise not_found()
        kind = KINDS[name]
        return _json({"type": kind.type, "title": kind.title, "status": kind.status, "detail": kind.detail})

    return router


def _health_responses(state: str) -> Responses:
    return {200: answered(Health, {"state": state, "reasons": []}, description="Yes.")}


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _asset(name: str) -> bytes:
    return (files("api_gateway") / "explorer" / name).read_bytes()
