"""The end of an organization, and what has to be over before its id begins anew."""

import asyncio

from reengage.control import Control
from reengage.failures import CommandError
from reengage.instances import names_of_running
from reengage.organizations import exists_already
from reengage.output import say

PURGE_PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.2


async def remove(control: Control, organization_id: str) -> None:
    """Marks the organization removed, forgets its API key and revokes its tokens; idempotent."""
    now = control.now()
    mark = {"$set": {"removed_at": now, "cliniko.key": ""}}
    await control.collection("organizations").update_one({"_id": organization_id, "removed_at": None}, mark)
    await control.collection("tokens").update_many(
        {"organization_id": organization_id, "revoked_at": None}, {"$set": {"revoked_at": now}}
    )


async def ensure_addable(control: Control, organization_id: str) -> int:
    """The settings revision to begin with; CommandError when the organization exists.

    One that was removed can be added again once the services have let go of what they held:
    otherwise the facts of two clinics could mix.
    """
    document = await control.collection("organizations").find_one({"_id": organization_id})
    if document is None:
        return 1
    if document["removed_at"] is None:
        raise exists_already(organization_id)
    await _await_purge(control, organization_id)
    return int(document["settings_revision"]) + 1


async def _await_purge(control: Control, organization_id: str) -> None:
    waited = 0.0
    while holders := await _holders(control, organization_id):
        missing = sorted(holders - await names_of_running(control))
        if missing or waited >= PURGE_PATIENCE_SECONDS:
            why = f"{' and '.join(missing)} not running" if missing else "that takes long"
            raise CommandError(
                f"what was held of the removed {organization_id} is not deleted yet ({why}):"
                " start the services (`make up`) and try again"
            )
        if waited == 0:
            say(f"waiting until what was held of {organization_id} is deleted ({', '.join(sorted(holders))})")
        await asyncio.sleep(POLL_SECONDS)
        waited += POLL_SECONDS


async def _holders(control: Control, organization_id: str) -> set[str]:
    """The services that still hold something of the organization."""
    kept = (
        ("ingestor", "ingestor", "sync_status", "_id"),
        ("risk-engine", "risk_engine", "standings", "_id"),
        ("risk-engine", "risk_engine", "timelines", "organization_id"),
        ("outreach-tracker", "outreach_tracker", "patients", "organization_id"),
    )
    return {
        service
        for service, database, collection, field in kept
        if await control.client[database][collection].find_one({field: organization_id}, {"_id": 1})
    }
