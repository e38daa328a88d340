"""Asking for an organization's results to be built anew, and following that to the swap.

`reengage.rebuild_requests` counts the requests. The risk engine builds a generation for the newest
one (`risk_engine.standings`), the tracker tells all its messages anew (`outreach_tracker.retold`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reengage import organizations
from reengage.catching_up import Behind
from reengage.control import Control
from reengage.failures import CommandError
from reengage.instances import names_of_running
from shared.timelines import DATABASE, STANDINGS, TIMELINES

POLL_SECONDS = 0.3
PATIENCE_WITHOUT_SERVICE_SECONDS = 15.0
NEEDED = {"risk-engine", "outreach-tracker"}


@dataclass(frozen=True)
class Progress:
    """How far a rebuild is."""

    doing: str
    done: int
    total: int
    generation: int | None
    finished: bool


async def ask(control: Control, organization_id: str) -> int:
    """The number of a new request; one that is under way begins again."""
    await organizations.load(control, organization_id)
    asked = await control.collection("rebuild_requests").find_one_and_update(
        {"_id": organization_id}, {"$inc": {"number": 1}, "$set": {"requested_at": control.now()}}, upsert=True
    )
    assert asked is not None
    return int(asked["number"])


async def requested(control: Control) -> dict[str, int]:
    """The number of the newest request by organization."""
    return {each["_id"]: each["number"] async for each in control.collection("rebuild_requests").find({})}


async def untold(control: Control) -> Behind:
    """The organizations of which the tracker has not told all messages anew, as was asked for."""
    retold = {each["_id"]: each async for each in control.client["outreach_tracker"]["retold"].find({})}
    numbers = await requested(control)
    return [
        f"outreach-tracker is telling the messages of {organization.id} anew"
        for organization in await organizations.load_all(control)
        if organization.id in numbers and not _is_told(retold.get(organization.id, {}), numbers[organization.id])
    ]


def _is_told(retold: Mapping[str, Any], number: int) -> bool:
    return bool(retold.get("number", 0) >= number and retold.get("done", False))


async def progress(control: Control, organization_id: str, number: int) -> Progress:
    """How far the request of this number is: first messages are told anew, then timelines settled."""
    standing = await control.client[DATABASE][STANDINGS].find_one({"_id": organization_id}) or {}
    retold = await control.client["outreach_tracker"]["retold"].find_one({"_id": organization_id}) or {}
    swapped = standing.get("rebuild", 0) >= number and standing.get("building") is None
    generation = standing.get("generation")
    if swapped and not _is_told(retold, number):
        return Progress("telling messages anew", retold.get("told", 0), retold.get("total", 0), generation, False)
    timelines = control.client[DATABASE][TIMELINES]
    total = await timelines.count_documents({"organization_id": organization_id})
    if swapped:
        return Progress("swapped", total, total, generation, True)
    building = standing.get("building") or {}
    if building.get("rebuild", 0) < number:
        return Progress("waiting for the risk engine", 0, total, generation, False)
    settled = {"organization_id": organization_id, "_id": {"$lte": building["after"]}}
    return Progress("settling timelines", await timelines.count_documents(settled), total, generation, False)


async def await_swap(
    control: Control, organization_id: str, number: int, *, tell: Callable[[Progress], None]
) -> Progress:
    """Returns once the results are swapped in; `tell` is shown how it gets on.

    CommandError when a service is away for long; the request stays for one that starts.
    """
    alone = 0.0
    while True:
        now = await progress(control, organization_id, number)
        tell(now)
        if now.finished:
            return now
        missing = sorted(NEEDED - await names_of_running(control))
        alone = alone + POLL_SECONDS if missing else 0.0
        if alone >= PATIENCE_WITHOUT_SERVICE_SECONDS:
            raise CommandError(
                f"the rebuild waits: {' and '.join(missing)} not running; it goes on by itself once they are (`make up`)"
            )
        await asyncio.sleep(POLL_SECONDS)
