"""Where patients' histories are kept: one document each, written only by who read its newest state."""

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from outreach_tracker.lifecycle import History, Identity, Report, Told
from shared.mongo import Database, Document
from shared.outreach import OutreachOutcome, TreatmentOutcome

_DUPLICATE_KEY = 11000
_OPTIONAL = ("attempt_id", "campaign", "reason", "staff")


@dataclass(frozen=True, slots=True)
class PatientHistory:
    """All reports about one patient; `revision` grows by one with each change, 0: none yet."""

    organization_id: str
    patient_id: str
    revision: int = 0
    changed_at: int = 0
    history: History = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The document's id."""
        return f"{self.organization_id}:{self.patient_id}"


@dataclass(frozen=True, slots=True)
class Change:
    """The next revision of a patient's history, and what differs from the one that was read."""

    after: PatientHistory
    changed: Collection[Identity]


class HistoryStore(Protocol):
    """What the handler asks of a store."""

    async def read(self, keys: Collection[str]) -> dict[str, PatientHistory]:
        """The histories of those patients that have one."""
        ...

    async def save(self, changes: Sequence[Change]) -> set[str]:
        """Stores the changes durably; returns the keys of those that somebody else was faster at."""
        ...


class MongoHistoryStore:
    """Histories in the collection `patients`."""

    def __init__(self, database: Database) -> None:
        self._patients = database["patients"]
        self._about_organizations = (database["erasures"], database["retold"])

    async def create_indexes(self) -> None:
        """Idempotent."""
        await self._patients.create_index([("organization_id", 1)])

    async def read(self, keys: Collection[str]) -> dict[str, PatientHistory]:
        """The histories of those patients that have one."""
        documents = await self._patients.find({"_id": {"$in": list(keys)}}).to_list()
        return {document["_id"]: _patient(document) for document in documents}

    async def save(self, changes: Sequence[Change]) -> set[str]:
        """Stores the changes durably; returns the keys of those that somebody else was faster at."""
        if not changes:
            return set()
        ours = uuid.uuid4().hex
        try:
            result = await self._patients.bulk_write([_write(change, ours) for change in changes], ordered=False)
        except BulkWriteError as fault:
            refused = fault.details["writeErrors"]
            if fault.details["writeConcernErrors"] or any(e["code"] != _DUPLICATE_KEY for e in refused):
                raise
        else:
            if result.matched_count + result.inserted_count == len(changes):
                return set()
        keys = {change.after.key for change in changes}
        saved = await self._patients.find({"_id": {"$in": list(keys)}, "saved_by": ours}, {"_id": 1}).to_list()
        return keys - {document["_id"] for document in saved}

    async def count(self, organization_id: str) -> int:
        """How many patients of the organization have a history."""
        return await self._patients.count_documents(_of_organization(organization_id, ""))

    async def page(self, organization_id: str, after: str, limit: int) -> list[PatientHistory]:
        """The organization's histories in order of their keys, after one of them."""
        query = _of_organization(organization_id, after)
        return [_patient(each) for each in await self._patients.find(query, sort=[("_id", 1)], limit=limit).to_list()]

    async def purge(self, organization_id: str, before: int) -> int:
        """Deletes the organization's histories last changed before an instant; how many."""
        for collection in self._about_organizations:
            await collection.delete_many({"$or": [{"_id": organization_id}, {"organization_id": organization_id}]})
        query = {"organization_id": organization_id, "changed_at": {"$lt": before}}
        return (await self._patients.delete_many(query)).deleted_count


def _of_organization(organization_id: str, after: str) -> Document:
    """The keys behind `after`: an organization's id holds no colon, and ";" follows upon ":"."""
    return {"_id": {"$gt": max(after, f"{organization_id}:"), "$lt": f"{organization_id};"}}


def _write(change: Change, saved_by: str) -> InsertOne[Document] | UpdateOne:
    after = change.after
    head = {"revision": after.revision, "changed_at": after.changed_at, "saved_by": saved_by}
    told = {_name(identity): _stored(after.history[identity]) for identity in change.changed}
    if after.revision == 1:
        ids = {"_id": after.key, "organization_id": after.organization_id, "patient_id": after.patient_id}
        return InsertOne({**ids, **head, "events": told})
    fields = {f"events.{name}": stored for name, stored in told.items()}
    return UpdateOne({"_id": after.key, "revision": after.revision - 1}, {"$set": {**head, **fields}})


def _name(identity: Identity) -> str:
    """A field's name: ids may hold dots, dollars and NUL, and be long."""
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]


def _stored(told: Told) -> Document:
    report = told.report
    stored: Document = {
        "source": report.source,
        "event_id": report.event_id,
        "at": report.at,
        "canonical": report.canonical,
        "outcome": report.outcome,
        "named": sorted(map(list, told.named)),
        "treated": told.treated,
    }
    if isinstance(report, OutreachOutcome):
        stored |= {"channel": report.channel, "message_id": report.message_id}
        stored |= {name: value for name in _OPTIONAL if (value := getattr(report, name)) is not None}
    return stored


def _patient(document: Document) -> PatientHistory:
    organization_id, patient_id = document["organization_id"], document["patient_id"]
    history: dict[Identity, Told] = {}
    for stored in document["events"].values():
        named = frozenset((channel, message_id) for channel, message_id in stored["named"])
        report = _report(organization_id, patient_id, stored)
        history[report.source, report.event_id] = Told(report, named, stored["treated"])
    return PatientHistory(organization_id, patient_id, document["revision"], document["changed_at"], history)


def _report(organization_id: str, patient_id: str, stored: Mapping[str, Any]) -> Report:
    common = (organization_id, patient_id, stored["source"], stored["event_id"], stored["at"], stored["canonical"])
    if "channel" not in stored:
        return TreatmentOutcome(*common, stored["outcome"])
    return OutreachOutcome(
        *common,
        stored["channel"],
        stored["outcome"],
        stored["message_id"],
        *(stored.get(name) for name in _OPTIONAL),
    )
