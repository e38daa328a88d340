"""Which processes of the services say that they are ready: their heartbeats in MongoDB."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

FRESH = timedelta(seconds=5)


class Heartbeats:
    """Reads `reengage.instances`; a database that is away means that nobody is known to be ready."""

    def __init__(self, uri: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            uri, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000, socketTimeoutMS=2000, tz_aware=True
        )

    def states(self) -> dict[tuple[str, int], str]:
        """The state of every (instance, process id) that was heard of in the last seconds."""
        since = datetime.now(UTC) - FRESH
        try:
            beats = list(self._client["reengage"]["instances"].find({"at": {"$gte": since}}))
        except PyMongoError:
            return {}
        return {(str(beat["instance"]), int(beat["pid"])): str(beat["state"]) for beat in beats}

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()
