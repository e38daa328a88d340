"""What comes in and goes out: the routes, and what surrounds every request."""

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api_gateway import openapi
from api_gateway.auth import READERS, RECORDERS, permit
from api_gateway.cors import Cors
from api_gateway.cursors import Cursors
from api_gateway.errors import ProblemError, on_http_exception, on_malformed, on_problem
from api_gateway.middleware import Guard, HeadAsGet, RequestRecord
from api_gateway.ports import Directory, Publisher, Readings, Tokens
from api_gateway.routes.cliniko import cliniko_routes
from api_gateway.routes.outreach import outreach_routes
from api_gateway.routes.paging import Pages
from api_gateway.routes.reengagement import reengagement_routes
from api_gateway.routes.service import NotReady, service_routes
from api_gateway.settings import GatewaySettings
from shared.clock import Clock

VERSION = "1.0.0"


def _always_ready() -> Sequence[str]:
    return ()


def create_app(
    *,
    readings: Readings,
    directory: Directory,
    tokens: Tokens,
    producer: Publisher,
    settings: GatewaySettings,
    clock: Clock,
    cursors: Cursors,
    not_ready: NotReady = _always_ready,
) -> FastAPI:
    """The gateway's HTTP API; connects nothing.

    Every request passes, from the outside in: its record (id, log line, headers), CORS, the guard
    (bounds, last net), HEAD as GET, and then its route: who asks, of which organization, may they,
    is the query well-formed, and only then the work.
    """
    app = FastAPI(
        title=openapi.TITLE,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        exception_handlers={
            ProblemError: on_problem,
            RequestValidationError: on_malformed,
            HTTPException: on_http_exception,
        },
    )
    may_read = permit(READERS, directory=directory, tokens=tokens)
    may_record = permit(RECORDERS, directory=directory, tokens=tokens)
    pages = Pages(readings, cursors, clock)
    app.include_router(reengagement_routes(readings, permit=may_read, pages=pages, clock=clock))
    app.include_router(cliniko_routes(readings, permit=may_read, pages=pages, clock=clock))
    app.include_router(outreach_routes(producer, permit=may_record, settings=settings, clock=clock))
    app.include_router(service_routes(app, not_ready=not_ready))
    openapi.install(app)

    # The last one added is the outermost.
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        Guard, max_requests=settings.api_gateway_max_requests, seconds=settings.api_gateway_request_seconds
    )
    if settings.allowed_origins:
        app.add_middleware(Cors, origins=settings.allowed_origins)
    app.add_middleware(RequestRecord, clock=clock)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
