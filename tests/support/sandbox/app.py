"""What comes in and goes out: the Cliniko side under /v1, the admin side under /admin."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount

from support.sandbox.admin import admin_routes
from support.sandbox.api import ClinikoApi
from support.sandbox.refusals import no_such_page
from support.sandbox.state import Sandbox


def create_app(sandbox: Sandbox) -> Starlette:
    """Return the ASGI program over a sandbox's state."""
    routes = [*admin_routes(sandbox), Mount("/v1", ClinikoApi(sandbox))]
    return Starlette(routes=routes, exception_handlers={404: _not_found})


async def _not_found(request: Request, error: Exception) -> Response:
    return HTMLResponse(str(no_such_page().body), 404)
