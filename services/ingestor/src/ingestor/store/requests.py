"""The synchronizations that people asked for: `reengage.sync_requests`, written with the CLI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rules.instants import from_datetime
from shared.mongo import Database

_OPEN = ["requested", "running"]


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One that is not served yet, or was being served by an ingestor that died."""

    id: str
    organization_id: str
    full: bool
    requested_at: int
    """In microseconds."""

    again: bool = False
    """All facts are to be told anew, changed or not."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a synchronization is: `read` of `total` records of `resource`; events published."""

    resource: str
    read: int
    total: int | None
    published: int


class RequestStore:
    """Open requests, and what became of them."""

    def __init__(self, database: Database) -> None:
        self._requests = database["sync_requests"]

    async def open(self, org: str | None = None) -> list[SyncRequest]:
        """All (or an organization's) that wait to be served, oldest first."""
        question: dict[str, Any] = {"state": {"$in": _OPEN}}
        if org is not None:
            question["organization_id"] = org
        found = self._requests.find(question, sort=[("requested_at", 1)])
        return [_request(each) async for each in found]

    async def running(self, ids: Sequence[str]) -> None:
        """They are being served."""
        await self._set(ids, {"state": "running"})

    async def progress(self, ids: Sequence[str], progress: Progress) -> None:
        """How far they are."""
        await self._set(ids, {"progress": _told(progress)})

    async def also_published(self, org: str, published: int) -> None:
        """So much was published while they waited for their turn: it counts for who is still to be served."""
        if published:
            question = {"organization_id": org, "state": {"$in": _OPEN}}
            await self._requests.update_many(question, {"$inc": {"published_before": published}})

    async def done(self, ids: Sequence[str], in_all: Progress) -> None:
        """All they found is in Kafka: so many records of all resources read, so many events published."""
        await self._set(ids, {"state": "done", "error": None, "progress": _told(in_all)})

    async def failed(self, ids: Sequence[str], error: str) -> None:
        """They came to nothing."""
        await self._set(ids, {"state": "failed", "error": {"$literal": error}})

    async def again(self, ids: Sequence[str]) -> None:
        """They wait for another ingestor: this one stops."""
        await self._set(ids, {"state": "requested"})

    async def _set(self, ids: Sequence[str], fields: dict[str, Any]) -> None:
        if ids:
            question = {"_id": {"$in": list(ids)}, "state": {"$in": _OPEN}}
            await self._requests.update_many(question, [{"$set": fields}])


def _told(progress: Progress) -> dict[str, Any]:
    """As an expression of an update: what was published before a request's turn is counted in."""
    return {
        "resource": {"$literal": progress.resource},
        "read": progress.read,
        "total": progress.total,
        "published": {"$add": [progress.published, {"$ifNull": ["$published_before", 0]}]},
    }


def _request(document: Mapping[str, Any]) -> SyncRequest:
    full, again = bool(document.get("full")), bool(document.get("again"))
    requested_at = from_datetime(document["requested_at"])
    return SyncRequest(str(document["_id"]), document["organization_id"], full or again, requested_at, again)
