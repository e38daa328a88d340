"""Which processes of the services run: those whose heartbeat is at most five seconds old."""

from datetime import timedelta
from typing import Any

from reengage.control import Control

FRESH = timedelta(seconds=5)
SERVICES = ("ingestor", "risk-engine", "outreach-tracker", "api-gateway")


async def running(control: Control) -> list[dict[str, Any]]:
    """The fresh heartbeats, by service and instance."""
    query = {"at": {"$gte": control.now() - FRESH}}
    return await control.collection("instances").find(query, sort=[("service", 1), ("instance", 1)]).to_list()


async def names_of_running(control: Control) -> set[str]:
    """The services of which some process runs."""
    return {beat["service"] for beat in await running(control)}
