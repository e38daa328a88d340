"""The databases as the operator's program sees them; `reengage` is its own to write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from reengage.failures import WrongUsageError
from reengage.surroundings import Surroundings, look_around
from rules.instants import to_datetime
from shared.clock import Clock, SystemClock
from shared.mongo import Collection, Database, DatabaseClient, open_database_client
from shared.settings import Driver


@dataclass(frozen=True)
class Control:
    """An open connection, and what the command needs beside it."""

    client: DatabaseClient
    surroundings: Surroundings
    clock: Clock

    @property
    def own(self) -> Database:
        """`reengage`: organizations, tokens, requests."""
        return self.client["reengage"]

    def collection(self, name: str) -> Collection:
        """A collection of `reengage`."""
        return self.own[name]

    def now(self) -> datetime:
        """This moment, as the database keeps it: whole milliseconds."""
        return to_datetime(self.clock.now() // 1000 * 1000)


@asynccontextmanager
async def open_control(surroundings: Surroundings | None = None) -> AsyncIterator[Control]:
    """The databases, once the primary answers."""
    surroundings = surroundings or look_around()
    client = open_database_client(surroundings.mongodb_uri, driver_of(surroundings))
    try:
        await client.ping()
        yield Control(client, surroundings, SystemClock())
    finally:
        await client.close()


def driver_of(surroundings: Surroundings) -> Driver:
    """The driver that MONGO_DRIVER names; Motor when it names none."""
    match surroundings.get("MONGO_DRIVER"):
        case None | "motor":
            return "motor"
        case "pymongo":
            return "pymongo"
        case other:
            raise WrongUsageError(f"MONGO_DRIVER is motor or pymongo, not {other!r}")
