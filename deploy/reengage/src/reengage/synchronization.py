"""Asking for a synchronization, and following it to its end."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from reengage import organizations
from reengage.control import Control
from reengage.failures import CommandError
from reengage.instances import names_of_running

POLL_SECONDS = 0.2
PATIENCE_WITHOUT_INGESTOR_SECONDS = 15.0
"""An ingestor that stops hands its work on; another one, or itself, takes a while to start."""

NO_INGESTOR = "no ingestor is running: start one (`make up`), and look at `reengage status`"


async def ask(control: Control, organization_id: str, *, full: bool, again: bool = False) -> str:
    """The id of a new request; CommandError when nobody is there to serve it.

    `again`: all facts are told anew, changed or not.
    """
    await organizations.load(control, organization_id)
    if "ingestor" not in await names_of_running(control):
        raise CommandError(NO_INGESTOR)
    request_id = str(uuid.uuid4())
    await control.collection("sync_requests").insert_one(
        {
            "_id": request_id,
            "organization_id": organization_id,
            "full": full,
            "requested_at": control.now(),
            "state": "requested",
            "progress": {"resource": None, "read": 0, "total": None, "published": 0},
            "error": None,
            **({"again": True} if again else {}),
        }
    )
    return request_id


async def request(control: Control, request_id: str) -> dict[str, Any]:
    """What is shown of a request."""
    document = await control.collection("sync_requests").find_one({"_id": request_id})
    if document is None:
        raise CommandError("the request is gone: was the organization removed?")
    shown = ("organization_id", "full", "requested_at", "state", "progress", "error")
    return {"id": request_id, **{key: document[key] for key in shown}}


async def await_end(control: Control, request_id: str, *, tell: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """The request once it is done or failed; `tell` is shown how it gets on.

    CommandError when no ingestor is there for long; the request stays for one that starts.
    """
    alone = 0.0
    while True:
        found = await request(control, request_id)
        tell(found)
        if found["state"] in ("done", "failed"):
            return found
        alone = 0.0 if "ingestor" in await names_of_running(control) else alone + POLL_SECONDS
        if alone >= PATIENCE_WITHOUT_INGESTOR_SECONDS:
            raise CommandError(f"the synchronization waits: {NO_INGESTOR}")
        await asyncio.sleep(POLL_SECONDS)
