"""MongoDB, whichever driver speaks to it: Motor (the default) or PyMongo's own async API.

Writes are `w: majority`, reads see what a majority has, from the primary.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.results import (
    BulkWriteResult,
    DeleteResult,
    InsertManyResult,
    InsertOneResult,
    UpdateResult,
)
from pymongo.write_concern import WriteConcern

from shared.settings import Driver

Document = dict[str, Any]
Query = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]
Session = Any
"""A session of the driver: only ever handed through."""

T = TypeVar("T")

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


class Cursor:
    """Documents of a query, to be read once."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    async def to_list(self, length: int | None = None) -> list[Document]:
        """All of them, or the first `length`."""
        documents: list[Document] = await self._cursor.to_list(length)
        return documents

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Document:
        document: Document = await self._cursor.__anext__()
        return document


class Collection:
    """What the services ask of a collection, the same with both drivers."""

    def __init__(self, collection: Any, driver: Driver) -> None:
        self._collection = collection
        self._driver = driver
        self.name: str = collection.name

    def find(
        self,
        query: Query | None = None,
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        *,
        sort: Sort | None = None,
        skip: int = 0,
        limit: int = 0,
        batch_size: int = 0,
        hint: Any = None,
        session: Session = None,
    ) -> Cursor:
        """The documents that match."""
        return Cursor(
            self._collection.find(
                query,
                projection,
                sort=sort,
                skip=skip,
                limit=limit,
                batch_size=batch_size,
                hint=hint,
                session=session,
            )
        )

    async def find_one(
        self,
        query: Query,
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        *,
        sort: Sort | None = None,
        session: Session = None,
    ) -> Document | None:
        """The first document that matches."""
        found: Document | None = await self._collection.find_one(query, projection, sort=sort, session=session)
        return found

    async def aggregate(self, pipeline: Sequence[Query], *, session: Session = None, **options: Any) -> list[Document]:
        """All documents that come out of the pipeline."""
        return await (await self.stream(pipeline, session=session, **options)).to_list()

    async def stream(self, pipeline: Sequence[Query], *, session: Session = None, **options: Any) -> Cursor:
        """The documents that come out of the pipeline, one after the other."""
        cursor = self._collection.aggregate(list(pipeline), session=session, **options)
        return Cursor(await cursor if self._driver == "pymongo" else cursor)

    async def bulk_write(
        self, requests: Sequence[Any], *, ordered: bool = True, session: Session = None
    ) -> BulkWriteResult:
        """The outcome of pymongo's ReplaceOne, UpdateOne, … sent together; at least one."""
        result: BulkWriteResult = await self._collection.bulk_write(requests, ordered=ordered, session=session)
        return result

    async def insert_one(self, document: Document, *, session: Session = None) -> InsertOneResult:
        """Raises DuplicateKeyError when its `_id` is taken."""
        result: InsertOneResult = await self._collection.insert_one(document, session=session)
        return result

    async def insert_many(
        self, documents: Sequence[Document], *, ordered: bool = True, session: Session = None
    ) -> InsertManyResult:
        """Raises BulkWriteError when an `_id` is taken."""
        result: InsertManyResult = await self._collection.insert_many(documents, ordered=ordered, session=session)
        return result

    async def replace_one(
        self,
        query: Query,
        document: Document,
        *,
        upsert: bool = False,
        session: Session = None,
    ) -> UpdateResult:
        """Replaces the document that matches."""
        result: UpdateResult = await self._collection.replace_one(query, document, upsert=upsert, session=session)
        return result

    async def update_one(
        self,
        query: Query,
        update: Query | Sequence[Query],
        *,
        upsert: bool = False,
        session: Session = None,
    ) -> UpdateResult:
        """Changes the document that matches."""
        result: UpdateResult = await self._collection.update_one(query, update, upsert=upsert, session=session)
        return result

    async def update_many(
        self,
        query: Query,
        update: Query | Sequence[Query],
        *,
        upsert: bool = False,
        session: Session = None,
    ) -> UpdateResult:
        """Changes all documents that match."""
        result: UpdateResult = await self._collection.update_many(query, update, upsert=upsert, session=session)
        return result

    async def find_one_and_update(
        self,
        query: Query,
        update: Query | Sequence[Query],
        *,
        projection: Mapping[str, Any] | Sequence[str] | None = None,
        sort: Sort | None = None,
        upsert: bool = False,
        return_new: bool = True,
        session: Session = None,
    ) -> Document | None:
        """Changes one document and returns it as it is then (or was before)."""
        found: Document | None = await self._collection.find_one_and_update(
            query,
            update,
            projection=projection,
            sort=sort,
            upsert=upsert,
            return_document=return_new,
            session=session,
        )
        return found

    async def delete_one(self, query: Query, *, session: Session = None) -> DeleteResult:
        """Deletes the document that matches."""
        result: DeleteResult = await self._collection.delete_one(query, session=session)
        return result

    async def delete_many(self, query: Query, *, session: Session = None) -> DeleteResult:
        """Deletes all documents that match."""
        result: DeleteResult = await self._collection.delete_many(query, session=session)
        return result

    async def count_documents(
        self,
        query: Query,
        *,
        limit: int | None = None,
        session: Session = None,
    ) -> int:
        """How many match, counting no further than `limit`."""
        options = {} if limit is None else {"limit": limit}
        count: int = await self._collection.count_documents(query, session=session, **options)
        return count

    async def distinct(self, key: str, query: Query | None = None, *, session: Session = None) -> list[Any]:
        """The different values of a field."""
        values: list[Any] = await self._collection.distinct(key, query, session=session)
        return values

    async def create_index(self, keys: Sort, *, name: str | None = None, **options: Any) -> str:
        """Creates the index unless it exists; its name."""
        if name is not None:
            options["name"] = name
        created: str = await self._collection.create_index(list(keys), **options)
        return created

    async def drop(self) -> None:
        """Deletes the collection with its indexes."""
        await self._collection.drop()


class Database:
    """One database: `database["patients"]` is a collection of it."""

    def __init__(self, database: Any, driver: Driver) -> None:
        self._database = database
        self._driver = driver
        self.name: str = database.name

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._database[name], self._driver)

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
        async with await self._start_session() as session:
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
        async with session if self.driver == "pymongo" else await session as opened:
            yield opened

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
