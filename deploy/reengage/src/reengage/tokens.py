"""Tokens: made, listed and revoked. Their text exists at the moment of making only."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from reengage import organizations
from reengage.control import Control
from reengage.failures import CommandError, WrongUsageError
from shared.identity import ROLES, Role, id_of_token, new_token


def checked_role(text: str) -> Role:
    """The role; WrongUsageError when there is none of that name."""
    for role in ROLES:
        if text == role:
            return role
    raise WrongUsageError(f"--role is one of {', '.join(ROLES)}")


async def create(
    control: Control, *, organization_id: str, role: Role, name: str | None, days: int | None
) -> dict[str, Any]:
    """What is shown of a new token, with its text as `token`."""
    await organizations.load(control, organization_id)
    now = control.now()
    expires_at = None if days is None else now + timedelta(days=days)
    text, document = new_token(organization_id, role, now=now, name=name, expires_at=expires_at)
    await control.collection("tokens").insert_one(document)
    return {"id": document["_id"], "token": text, **view(document, now=now)}


async def load_all(control: Control, *, organization_id: str | None) -> list[dict[str, Any]]:
    """What is shown of all tokens, or of an organization's; the oldest first."""
    query = {} if organization_id is None else {"organization_id": organization_id}
    found = control.collection("tokens").find(query, sort=[("created_at", 1), ("_id", 1)])
    now = control.now()
    return [view(document, now=now) async for document in found]


async def revoke(control: Control, token_id: str) -> dict[str, Any]:
    """What is shown of the token, revoked now or before."""
    if id_of_token(token_id):
        raise WrongUsageError("that is a token's text, not its id: its id stands between the first two underscores")
    now = control.now()
    tokens = control.collection("tokens")
    await tokens.update_one({"_id": token_id, "revoked_at": None}, {"$set": {"revoked_at": now}})
    document = await tokens.find_one({"_id": token_id})
    if document is None:
        raise CommandError(f"no token {token_id!r}: `reengage token list` shows those there are")
    return view(document, now=now)


def view(document: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """What is shown of a stored token: neither text nor hash."""
    shown = ("organization_id", "role", "name", "created_at", "expires_at", "revoked_at")
    return {"id": document["_id"], **{key: document[key] for key in shown}, "state": _state(document, now)}


def _state(document: Mapping[str, Any], now: datetime) -> str:
    if document["revoked_at"] is not None:
        return "revoked"
    expires_at = document["expires_at"]
    return "expired" if expires_at is not None and expires_at <= now else "valid"
