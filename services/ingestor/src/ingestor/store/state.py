"""How far each organization is: cursors, and the status that the gateway and the CLI show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rules.instants import from_datetime, to_datetime
from shared.mongo import Database

State = Literal["never", "syncing", "ok", "failing", "stopped"]

_FULL = "full"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one resource was read: everything that changed before `since`.

    `full_run`: the full load (by its begin) that read it whole, as the last one.
    """

    since: int
    full_run: int | None


@dataclass(frozen=True, slots=True)
class FullRun:
    """A full load that was not finished."""

    began_at: int
    again: bool = False
    """All facts are told anew by it, changed or not: they were put in doubt before it began."""


class CursorStore:
    """Cursors by organization and resource; instants in microseconds."""

    def __init__(self, database: Database) -> None:
        self._cursors = database["cursors"]

    async def all_of(self, org: str) -> dict[str, Cursor]:
        """The organization's cursors by resource."""
        found = self._cursors.find({"org": org, "since": {"$exists": True}})
        return {each["resource"]: Cursor(each["since"], each.get("full_run")) async for each in found}

    async def move(self, org: str, resource: str, *, since: int, full_run: int | None) -> None:
        """Everything that changed before `since` is in Kafka; never moves back."""
        change: dict[str, Any] = {"$max": {"since": since}}
        fixed: dict[str, Any] = {"org": org, "resource": resource}
        if full_run is not None:
            fixed["full_run"] = full_run
        await self._cursors.update_one({"_id": f"{org}|{resource}"}, {**change, "$set": fixed}, upsert=True)

    async def open_full_run(self, org: str) -> FullRun | None:
        """The full load that was not finished, if there is one."""
        found = await self._cursors.find_one({"_id": f"{org}|{_FULL}"})
        return FullRun(found["began_at"], found.get("again", False)) if found else None

    async def begin_full_run(self, org: str, run: FullRun) -> None:
        """A full load begins."""
        document = {"org": org, "began_at": run.began_at, "again": run.again}
        await self._cursors.replace_one({"_id": f"{org}|{_FULL}"}, document, upsert=True)

    async def end_full_run(self, org: str) -> None:
        """The full load is finished."""
        await self._cursors.delete_one({"_id": f"{org}|{_FULL}"})

    async def purge(self, org: str) -> None:
        """Deletes the organization's cursors."""
        await self._cursors.delete_many({"org": org})


@dataclass(frozen=True, slots=True)
class Status:
    """How the last synchronization went; instants in microseconds, None: never."""

    state: State = "never"
    last_started_at: int | None = None
    last_ended_at: int | None = None
    last_sync_time: int | None = None
    last_full_sync_time: int | None = None
    last_error: str | None = None
    failures: int = 0
    stored_key: str | None = None
    """Of the API key that was used: `ClinikoAccess.stored_key`."""


class StatusStore:
    """`ingestor.sync_status`, as docs/architecture.md describes it."""

    def __init__(self, database: Database) -> None:
        self._statuses = database["sync_status"]

    async def all(self) -> dict[str, Status]:
        """The status of every organization by id."""
        return {each["_id"]: _status(each) async for each in self._statuses.find({})}

    async def write(self, org: str, **changes: Any) -> None:
        """Sets fields of an organization's status; instants as ints end in `_at` or `_time`."""
        fields = {name: _stored(name, value) for name, value in changes.items()}
        await self._statuses.update_one({"_id": org}, {"$set": fields}, upsert=True)

    async def forget(self, org: str) -> None:
        """Deletes an organization's status."""
        await self._statuses.delete_one({"_id": org})


def _status(document: Mapping[str, Any]) -> Status:
    return Status(
        state=document.get("state", "never"),
        last_started_at=_instant(document.get("last_started_at")),
        last_ended_at=_instant(document.get("last_ended_at")),
        last_sync_time=_instant(document.get("last_sync_time")),
        last_full_sync_time=_instant(document.get("last_full_sync_time")),
        last_error=document.get("last_error"),
        failures=document.get("failures", 0),
        stored_key=document.get("stored_key"),
    )


def _stored(name: str, value: Any) -> Any:
    if name == "resources":
        return {each: {field: _stored(field, held) for field, held in fields.items()} for each, fields in value.items()}
    is_instant = isinstance(value, int) and name.endswith(("_at", "_time"))
    return to_datetime(value) if is_instant else value


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else from_datetime(moment)
