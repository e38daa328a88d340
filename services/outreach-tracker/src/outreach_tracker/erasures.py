"""Patients who were erased: nothing is kept of them, and nothing that comes later is taken in."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Protocol

from pydantic import ValidationError

from shared.consumer import DeadLetter, Handler, Record
from shared.erasure import erasure_id, tombstones
from shared.events import ContactErased, Event
from shared.kafka import Outgoing
from shared.mongo import Database
from shared.topics import CONTACTS, OUTREACH_EVENTS, OUTREACH_MESSAGES, record_key

Publish = Callable[[Iterable[Outgoing]], Awaitable[object]]
IsKnown = Callable[[str], Awaitable[bool]]

_ERASED = "contact.erased.v1"


class Erasures(Protocol):
    """Who was erased."""

    async def erased(self, keys: Collection[str]) -> set[str]:
        """Those of the patients that were erased."""
        ...

    async def erase(self, organization_id: str, keys: Collection[str]) -> None:
        """Leaves markers, notes that dead letters are to go, deletes what is held; idempotent."""
        ...

    async def forget(self, keys: Collection[str]) -> None:
        """Deletes what is held of the patients; idempotent."""
        ...


def create_heed_erasures(follow: Handler, erasures: Erasures, publish: Publish, is_known: IsKnown) -> Handler:
    """A handler that has `follow` see the reports about everybody but the erased.

    What it leaves out gets a tombstone, and so does what the erased have in the topics so far.
    Their dead letters are deleted later (`letters.py`): there can be a great many.
    """

    async def heed_erasures(batch: Sequence[Record]) -> list[DeadLetter]:
        reports = [record for record in batch if record.topic != CONTACTS and record.value is not None]
        gone = await erasures.erased({_key(record) for record in reports})
        living = [record for record in reports if _key(record) not in gone]
        dead = await follow(living) if living else []
        # Another process may have erased one meanwhile, after we asked and before `follow` stored.
        gone |= await erasures.erased({_key(record) for record in living})
        if gone:  # whoever stored something of them may have died before it came here
            await erasures.forget(gone)
        for erased in _erased(batch):
            if await is_known(erased.organization_id):
                key = record_key(erased.organization_id, erased.patient_id).decode()
                await erasures.erase(erased.organization_id, [key])
                gone.add(key)
        if gone:
            places = [(topic, key.encode()) for key in gone for topic in (OUTREACH_EVENTS, OUTREACH_MESSAGES)]
            await publish(tombstones(places))
        return [letter for letter in dead if _key(letter.record) not in gone]

    return heed_erasures


def _key(record: Record) -> str:
    return (record.key or b"").decode(errors="replace")


def _erased(batch: Sequence[Record]) -> list[ContactErased]:
    """Who is erased by this batch; what cannot be read is the risk engine's to set aside."""
    found = []
    for record in batch:
        if record.topic == CONTACTS and record.value is not None and _ERASED.encode() in record.value:
            try:
                event = Event[ContactErased].model_validate_json(record.value)
            except ValidationError:
                continue
            if event.type == _ERASED and record.key == record_key(event.data.organization_id, event.data.patient_id):
                found.append(event.data)
    return found


class MongoErasures:
    """Markers in the collections `erasing` and `erasures`, histories in `patients`.

    A marker lies in `erasing`, with the patient's key, until the dead letters are deleted; only
    then in `erasures`, where `reengage erase` waits for it.
    """

    def __init__(self, database: Database) -> None:
        self._erasing = database["erasing"]
        self._erasures = database["erasures"]
        self._patients = database["patients"]

    async def erased(self, keys: Collection[str]) -> set[str]:
        """Those of the patients that were erased."""
        by_marker = {erasure_id(key): key for key in keys}
        found: set[str] = set()
        if by_marker:
            for collection in (self._erasing, self._erasures):  # in this order markers move: none is missed
                markers = await collection.find({"_id": {"$in": list(by_marker)}}, {"_id": 1}).to_list()
                found |= {by_marker[marker["_id"]] for marker in markers}
        return found

    async def erase(self, organization_id: str, keys: Collection[str]) -> None:
        """Leaves markers, notes that dead letters are to go, deletes what is held; idempotent."""
        for key in keys:
            marker = {"$setOnInsert": {"organization_id": organization_id, "key": key}}
            await self._erasing.update_one({"_id": erasure_id(key)}, marker, upsert=True)
        await self.forget(keys)

    async def forget(self, keys: Collection[str]) -> None:
        """Deletes what is held of the patients; idempotent."""
        await self._patients.delete_many({"_id": {"$in": list(keys)}})

    async def with_letters(self) -> list[str]:
        """The erased whose dead letters are still to be deleted."""
        return [marker["key"] for marker in await self._erasing.find({}, {"key": 1}).to_list()]

    async def letters_deleted(self, keys: Collection[str]) -> None:
        """Nothing is left to be done for these; idempotent."""
        for key in keys:
            marker = {"$setOnInsert": {"organization_id": key.partition(":")[0]}}
            await self._erasures.update_one({"_id": erasure_id(key)}, marker, upsert=True)
        await self._erasing.delete_many({"_id": {"$in": [erasure_id(key) for key in keys]}})
