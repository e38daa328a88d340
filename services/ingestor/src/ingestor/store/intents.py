"""What is about to be told: noted before, struck out once it is stored.

Between Kafka's acknowledgement and the store a crash would leave no trace of what was told. A
record that is changed back, or given to another patient, in just that time would then look as if
nothing had to be told.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.mongo import Database

_RENAMING = "renaming"


@dataclass(frozen=True, slots=True)
class Intent:
    """One record of which something is told; `place`: the id and the patient it is told under."""

    resource: str
    id: str
    place: tuple[str, str] | None
    updated_at: int
    read_at: int


class IntentStore:
    """Intents by organization."""

    def __init__(self, database: Database) -> None:
        self._intents = database["intents"]

    async def prepare(self) -> None:
        """Creates the index; idempotent."""
        await self._intents.create_index([("org", 1)], name="of_organization")

    async def note(self, org: str, intents: Iterable[Intent]) -> str:
        """Notes what is about to be told; by what it returns it is struck out."""
        number = uuid.uuid4().hex
        records = [[each.resource, each.id, list(each.place or ()), each.updated_at, each.read_at] for each in intents]
        await self._intents.insert_one({"_id": f"{org}|{number}", "org": org, "records": records})
        return f"{org}|{number}"

    async def strike_out(self, numbers: Sequence[str]) -> None:
        """What was told is stored."""
        await self._intents.delete_many({"_id": {"$in": list(numbers)}})

    async def left_over(self, org: str) -> dict[str, list[Intent]]:
        """What a crash left behind, by what it is struck out by."""
        found = self._intents.find({"org": org, "records": {"$exists": True}})
        return {
            each["_id"]: [
                Intent(resource, record_id, (place[0], place[1]) if place else None, updated_at, read_at)
                for resource, record_id, place, updated_at, read_at in each["records"]
            ]
            async for each in found
        }

    async def note_renaming(self, org: str, called: Mapping[str, Sequence[str]]) -> None:
        """All facts that show these names (ids by resource) are about to be told again."""
        document = {"org": org, "called": {resource: list(ids) for resource, ids in called.items()}}
        await self._intents.replace_one({"_id": f"{org}|{_RENAMING}"}, document, upsert=True)

    async def renaming(self, org: str) -> dict[str, list[str]]:
        """The names with which that was not finished."""
        found = await self._intents.find_one({"_id": f"{org}|{_RENAMING}"})
        return dict(found["called"]) if found else {}

    async def end_renaming(self, org: str) -> None:
        """All are told and stored."""
        await self._intents.delete_one({"_id": f"{org}|{_RENAMING}"})

    async def purge(self, org: str) -> None:
        """Deletes the organization's intents."""
        await self._intents.delete_many({"org": org})
