"""Who asks, and may they: 401, then 404 for the organization, then 403, before anything else."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Path, Request

from api_gateway.errors import NOT_ALLOWED, NOT_AUTHENTICATED, ProblemError, not_found
from api_gateway.ports import Directory, Tokens
from shared.identity import Caller, Role
from shared.organizations import Organization

READERS: frozenset[Role] = frozenset({"viewer", "staff", "admin"})
RECORDERS: frozenset[Role] = frozenset({"staff", "publisher", "admin"})

MAX_TOKEN = 200
_SCHEME = "bearer"

OrganizationId = Annotated[str, Path(description="The organization's id.", examples=["org_xxx"])]
Permit = Callable[[Request, str], Awaitable[Organization]]


def permit(roles: frozenset[Role], *, directory: Directory, tokens: Tokens) -> Permit:
    """A dependency that gives the organization of the path to callers with one of the roles.

    An organization that does not exist and one of somebody else are the same to every caller.
    """

    async def organization(request: Request, org_id: OrganizationId) -> Organization:
        caller = await _caller(request, tokens)
        if caller is None:
            raise ProblemError(NOT_AUTHENTICATED)
        found = await directory.find(org_id) if caller.organization_id == org_id else None
        if found is None:
            raise not_found()
        if caller.role not in roles:
            raise ProblemError(NOT_ALLOWED)
        return found

    return organization


async def _caller(request: Request, tokens: Tokens) -> Caller | None:
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != _SCHEME or not token or len(token) > MAX_TOKEN:
        return None
    return await tokens.caller(token)
