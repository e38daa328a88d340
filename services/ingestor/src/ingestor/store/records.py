"""What is held of Cliniko's records, and what of them was published.

One document per record: `_id` "organization|resource|id", the record's fields, `p` (what was
told last of the fact that it is the own record of), and `at`, the instant of the newest read
that went into it. **What is stored was published before**: a record is written after Kafka has
acknowledged the events it gives rise to. So a record that comes again unchanged needs nothing,
and a crash in between costs a repetition at the most.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError

from ingestor.records import Part, Record
from ingestor.store.documents import (
    ERASED,
    Erased,
    Stored,
    Write,
    document_of,
    in_doubt,
    key_of,
    mark_of,
    marker_of,
    of_kind,
    of_organization,
    record_of,
    stored_of,
    told_fields,
)
from ingestor.store.intents import Intent
from shared.mongo import Database, Document

_DUPLICATE_KEY = 11_000
_READ_AT_ONCE = 1_000

_FACTS = ("individual_appointments", "attendees", "communications", "recalls")


class RecordStore:
    """Cliniko's records of all organizations."""

    def __init__(self, database: Database) -> None:
        self._records = database["records"]

    async def prepare(self) -> None:
        """Creates the indexes; idempotent. The organization comes first in each."""
        for name, fields in {"parts": ("org", "part_of"), "places": ("org", "booking")}.items():
            await self._records.create_index(
                [(each, 1) for each in fields],
                name=name,
                partialFilterExpression={fields[-1]: {"$exists": True}},
            )

    async def load(self, org: str, resource: str, ids: Collection[str]) -> dict[str, Stored]:
        """Those held of the ids, by id."""
        wanted = [key_of(org, resource, each) for each in ids]
        return await self._read({"_id": {"$in": wanted}}) if wanted else {}

    async def parts_of(self, org: str, patients: Collection[str]) -> list[Part]:
        """The alerts, cases and referral sources that name one of the patients."""
        if not patients:
            return []
        question = {"org": org, "part_of": {"$in": list(patients)}}
        found = await self._records.find(question, batch_size=_READ_AT_ONCE).to_list()
        return [cast("Part", record_of(each)) for each in found]

    async def of_bookings(self, org: str, bookings: Collection[str]) -> dict[str, Stored]:
        """The attendees that name one of the bookings, by id."""
        if not bookings:
            return {}
        return await self._read({"org": org, "booking": {"$in": list(bookings)}})

    async def naming(
        self, org: str, resource: str, fields: Mapping[str, Collection[str]], batch: int = 500
    ) -> AsyncIterator[dict[str, Stored]]:
        """The records of a kind of which some field has one of the values, in batches.

        Reads all records of the kind: for what changes rarely, such as names.
        """
        named = [{field: {"$in": list(values)}} for field, values in fields.items() if values]
        if not named:
            return
        held: dict[str, Stored] = {}
        async for each in self._records.find({**of_kind(org, resource), "$or": named}):
            stored = stored_of(each)
            held[stored.id] = stored
            if len(held) >= batch:
                yield held
                held = {}
        if held:
            yield held

    async def all_of(self, org: str, resource: str) -> list[Record]:
        """All records of a small kind."""
        found = await self._records.find(of_kind(org, resource), batch_size=_READ_AT_ONCE).to_list()
        return [record_of(each) for each in found]

    async def ids_of(self, org: str, resource: str) -> set[str]:
        """The ids of all records of a kind."""
        found = self._records.find(of_kind(org, resource), {"id": 1}, batch_size=10_000)
        return {each["id"] async for each in found}

    async def erased(self, org: str) -> Erased:
        """The patients known to be erased."""
        found = self._records.find(of_kind(org, ERASED), {"id": 1}, batch_size=10_000)
        return Erased(org, [each["id"] async for each in found])

    async def erased_among(self, org: str, patients: Collection[str]) -> set[str]:
        """Those of the patients who are erased by now."""
        by_key = {key_of(org, ERASED, marker_of(org, patient)): patient for patient in patients}
        found = self._records.find({"_id": {"$in": list(by_key)}}, {"_id": 1})
        return {by_key[each["_id"]] async for each in found} if by_key else set()

    async def merged_into(self, org: str, survivors: Collection[str]) -> dict[str, Stored]:
        """The patients who were merged into these, chains followed: the same people once more."""
        found: dict[str, Stored] = {}
        pending = set(survivors)
        while pending:
            merged = await self._read({**of_kind(org, "patients"), "merged_into": {"$in": sorted(pending)}})
            pending = merged.keys() - found.keys() - set(survivors)
            found |= {patient: merged[patient] for patient in pending}
        return found

    async def write(self, org: str, writes: Iterable[Write], *, guarded: bool = True) -> bool:
        """Holds the records from now on; repeating it changes nothing.

        Guarded: what was read before what is held is left out. False: there was such a record.
        """
        replacements = [_replacement(org, write, guarded=guarded) for write in writes]
        if not replacements:
            return True
        try:
            await self._records.bulk_write(replacements, ordered=False)
        except BulkWriteError as fault:
            errors = fault.details.get("writeErrors") or []
            if errors and all(each.get("code") == _DUPLICATE_KEY for each in errors):
                return False  # the upsert of a filter that a later read does not match
            raise
        return True

    async def doubt(self, org: str, intents: Sequence[Intent]) -> None:
        """Holds of records that something was told of them, and not what; repeating it changes nothing.

        Those that are not held yet are held with nothing else.
        """
        by_resource: dict[str, dict[str, list[Intent]]] = {}
        for intent in intents:
            by_resource.setdefault(intent.resource, {}).setdefault(intent.id, []).append(intent)
        for resource, by_id in by_resource.items():
            held = await self.load(org, resource, by_id)
            updates = [
                UpdateOne(
                    {"_id": key_of(org, resource, each)},
                    {
                        "$set": {"org": org, "resource": resource, "id": each, "p": told_fields(doubted)},
                        "$max": {"at": 0},
                    },
                    upsert=True,
                )
                for each, told in by_id.items()
                if (doubted := in_doubt(held[each].published if each in held else None, told))
            ]
            if updates:
                await self._records.bulk_write(updates, ordered=False)

    async def forget(self, org: str, resource: str, ids: Iterable[str]) -> None:
        """Deletes records."""
        deletes = [DeleteOne({"_id": key_of(org, resource, each)}) for each in ids]
        if deletes:
            await self._records.bulk_write(deletes, ordered=False)

    async def doubt_all(self, org: str) -> None:
        """Every fact is to be told again when its record is read the next time."""
        await self._records.update_many({**of_organization(org), "p": {"$exists": True}}, {"$set": {"p.2": ""}})

    async def erase(self, org: str, patients: Collection[str]) -> None:
        """Leaves markers, then deletes all that is held of the patients; idempotent."""
        if not patients:
            return
        patients = list(patients)
        marks = [mark_of(org, patient) for patient in patients]
        await self._records.bulk_write([ReplaceOne({"_id": mark["_id"]}, mark, upsert=True) for mark in marks])
        await self.forget(org, "patients", patients)
        await self._records.delete_many({"org": org, "part_of": {"$in": patients}})
        for resource in _FACTS:
            # Reads all of the kind: an index would cost every import more than this ever does.
            named = [{"patient": {"$in": patients}}, {"p.1": {"$in": patients}}]
            await self._records.delete_many({**of_kind(org, resource), "$or": named})

    async def purge(self, org: str) -> int:
        """Deletes all that is held of an organization; how many records that were."""
        return (await self._records.delete_many(of_organization(org))).deleted_count

    async def _read(self, question: Mapping[str, Any]) -> dict[str, Stored]:
        found = self._records.find(question, batch_size=_READ_AT_ONCE)
        stored = [stored_of(each) for each in await found.to_list()]
        return {each.id: each for each in stored}


def _replacement(org: str, write: Write, *, guarded: bool) -> ReplaceOne[Document]:
    question: dict[str, Any] = {"_id": key_of(org, write.record.resource, write.record.id)}
    if guarded:
        question["at"] = {"$lte": write.at}
    return ReplaceOne(question, document_of(org, write), upsert=True)
