"""MongoDB, whichever driver speaks to it: Motor (the default) or PyMongo's own async API.

Writes are `w: majority`, reads see what a majority has, from the primary.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from shared.collection import Collection, Cursor, Document, Session
from shared.settings import Driver

__all__ = ["Collection", "Cursor", "Database", "DatabaseClient", "Document", "Session", "open_database_client"]

T = TypeVar("T")

NAMESPACE_EXISTS = 48
"""MongoDB's code."""

_TIMEOUTS = {"serverSelectionTimeoutMS": 5_000, "connectTimeoutMS": 5_000, "socketTimeoutMS": 60_000}


def open_database_client(uri: str, driver: Driver = "motor") -> "DatabaseClient":
    """A client of the database; it connects with its first question, within the running loop.

    The timeouts can be set in the URI; what is read and written safely cannot.
    """
    settings: dict[str, Any] = {name: ms for name, ms in _TIMEOUTS.items() if name.lower() not in uri.lower()}
    settings |= {"tz_aware": True, "w": "majority", "readConcernLevel": "majority", "readPreference": "primary"}
    if driver == "pymongo":
        return DatabaseClient(AsyncMongoClient(uri, **settings), driver)
    return DatabaseClient(AsyncIOMotorClient(uri, **settings), driver)


class Database:
    """One database: `database["patients"]` is a collection of it."""

    def __init__(self, database: Any, driver: Driver) -> None:
        self._database = database
        self._driver = driver
        self.name: str = database.name

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._database[name], self._driver)

    async def create(self, *names: str) -> None:
        """Creates collections; those that exist are left alone.

        For those that transactions fill: of two that find a collection missing one fails.
        """
        for name in names:
            try:
                await self.command({"create": name})
            except OperationFailure as refused:
                if refused.code != NAMESPACE_EXISTS:
                    raise

    async def command(self, command: str | Mapping[str, Any], **options: Any) -> Document:
        """The answer to an administrative command."""
        answer: Document = await self._database.command(command, **options)
        return answer


class DatabaseClient:
    """One connection pool; `client["reengage"]` is a database."""

    def __init__(self, client: Any, driver: Driver) -> None:
        self._client = client
        self.driver: Driver = driver

    def __getitem__(self, name: str) -> Database:
        return Database(self._client[name], self.driver)

    async def ping(self) -> None:
        """Returns when the primary answers; raises pymongo's errors."""
        await self._client.admin.command("ping")

    async def with_transaction(self, callback: Callable[[Session], Awaitable[T]]) -> T:
        """What the callback returns, once its writes are committed together.

        The callback can run several times (conflicts, failovers): it must hand the session to
        every operation and have no other effects.
        """
        async with self._replacing_connections_without_sessions(), await self._start_session() as session:
            result: T = await session.with_transaction(
                callback,
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority"),
                read_preference=ReadPreference.PRIMARY,
            )
            return result

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Session]:
        """A session whose reads (find, aggregate, distinct) all see one moment, at most minutes ago."""
        session = self._client.start_session(snapshot=True)
        async with (
            self._replacing_connections_without_sessions(),
            session if self.driver == "pymongo" else await session as opened,
        ):
            yield opened

    @asynccontextmanager
    async def _replacing_connections_without_sessions(self) -> AsyncIterator[None]:
        """Has the next attempt use new connections after ConfigurationError, which is transient then.

        PyMongo asks a server once for each connection whether it has sessions. One that was made while
        the server was neither primary nor secondary has none for good, and is used again and again; there
        is no public way to be rid of it.
        """
        try:
            yield
        except ConfigurationError:
            client = self._client if self.driver == "pymongo" else self._client.delegate
            for server in list(client._topology._servers.values()):  # noqa: SLF001
                resetting = server.pool.reset_without_pause()
                if isawaitable(resetting):
                    await resetting
            raise

    async def drop_database(self, name: str) -> None:
        """Deletes a database."""
        await self._client.drop_database(name)

    async def close(self) -> None:
        """Disconnects."""
        closing = self._client.close()
        if closing is not None:
            await closing

    async def _start_session(self) -> Session:
        session = self._client.start_session()
        return session if self.driver == "pymongo" else await session
