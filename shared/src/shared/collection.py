"""A collection of MongoDB, whichever driver speaks to it: what the services ask of one, no more."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pymongo.results import (
    BulkWriteResult,
    DeleteResult,
    InsertOneResult,
    UpdateResult,
)

from shared.settings import Driver

Document = dict[str, Any]
Query = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]
Session = Any
"""A session of the driver: only ever handed through."""


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

    async def create_index(self, keys: Sort, *, name: str | None = None, **options: Any) -> str:
        """Creates the index unless it exists; its name."""
        if name is not None:
            options["name"] = name
        created: str = await self._collection.create_index(list(keys), **options)
        return created
