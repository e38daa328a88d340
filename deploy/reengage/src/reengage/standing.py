"""How everything is: services, lag, synchronizations and dead letters, in one answer."""

from typing import Any

from reengage import open_letters
from reengage.control import Control
from reengage.instances import running
from reengage.offsets import GROUPS, Kafka, behind
from reengage.organizations import load_all


async def status_of(control: Control, kafka: Kafka) -> dict[str, Any]:
    """The answer of `status --json`: its keys are part of the interface."""
    topics = await lags(kafka)
    return {
        "services": [
            {"name": beat["service"], "instance": beat["instance"], "state": beat["state"]}
            for beat in await running(control)
        ],
        "topics": topics,
        "lag": sum(topic["lag"] for topic in topics),
        "organizations": await synchronizations(control),
        "dead_letters": (await open_letters.tally(control, kafka)).waiting,
    }


async def lags(kafka: Kafka) -> list[dict[str, Any]]:
    """What each group has not read yet of each of its topics."""
    names = [topic for topic, _ in GROUPS]
    committed = {group: await kafka.committed(group) for group in dict.fromkeys(group for _, group in GROUPS)}
    begins, ends = await kafka.begins(names), await kafka.ends(names)
    return [
        {"topic": topic, "group": group, "lag": behind(ends, begins, committed[group], topic)}
        for topic, group in GROUPS
    ]


async def synchronizations(control: Control) -> list[dict[str, Any]]:
    """How the last synchronization of each organization went."""
    found = control.client["ingestor"]["sync_status"].find({})
    told = {status["_id"]: status async for status in found}
    return [
        {
            "organization_id": organization.id,
            "state": told.get(organization.id, {}).get("state", "never"),
            "last_sync_time": told.get(organization.id, {}).get("last_sync_time"),
            "last_error": told.get(organization.id, {}).get("last_error"),
        }
        for organization in await load_all(control)
    ]
