"""How records, and what was told of them, are written in MongoDB; nothing is read or written here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ingestor.decide import Published
from ingestor.records import Part, Record, as_fields, from_fields
from ingestor.store.intents import Intent
from shared.erasure import erasure_id
from shared.mongo import Document

ERASED = "erased"
"""Stands where records have their resource."""

_SEPARATOR, _AFTER_SEPARATOR = "|", "}"
"""Between organization, resource and id in `_id`; the character after it ends a range."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One record as held; `record` None: only known to have been told of."""

    id: str
    record: Record | None
    published: Published | None


@dataclass(frozen=True, slots=True)
class Write:
    """A record to hold, and what was told of it; `at`: when it, or a part of it, was read."""

    record: Record
    published: Published | None
    at: int


class Erased:
    """Patients who were erased, for good: known by markers that name nobody."""

    def __init__(self, org: str, markers: Iterable[str] = ()) -> None:
        self._org = org
        self._markers = set(markers)

    def __contains__(self, patient: str | None) -> bool:
        return patient is not None and marker_of(self._org, patient) in self._markers

    def add(self, patients: Iterable[str]) -> None:
        """They are erased, too."""
        self._markers.update(marker_of(self._org, patient) for patient in patients)


def marker_of(org: str, patient: str) -> str:
    """What is left of an erased patient's id."""
    return erasure_id(f"{org}:{patient}")


def key_of(org: str, resource: str, record_id: str) -> str:
    """The `_id` of a record."""
    return f"{org}{_SEPARATOR}{resource}{_SEPARATOR}{record_id}"


def of_organization(org: str) -> dict[str, Any]:
    """The query for all documents of an organization."""
    return {"_id": {"$gte": f"{org}{_SEPARATOR}", "$lt": f"{org}{_AFTER_SEPARATOR}"}}


def of_kind(org: str, resource: str) -> dict[str, Any]:
    """The query for all documents of an organization's resource."""
    first = key_of(org, resource, "")
    return {"_id": {"$gte": first, "$lt": first[: -len(_SEPARATOR)] + _AFTER_SEPARATOR}}


def mark_of(org: str, patient: str) -> Document:
    """What is left of an erased patient."""
    marker = marker_of(org, patient)
    return {"_id": key_of(org, ERASED, marker), "org": org, "resource": ERASED, "id": marker}


def document_of(org: str, write: Write) -> Document:
    """What is stored of a record."""
    record, told = write.record, write.published
    document = {"org": org, "resource": record.resource, "at": write.at, **as_fields(record)}
    if isinstance(record, Part):
        document["part_of"] = record.patient
    if told is not None:
        document["p"] = told_fields(told)
    return document


def told_fields(told: Published) -> list[Any]:
    """What is stored of what was told: short, there is one for each fact."""
    fields: list[Any] = [told.fact, told.patient, told.hash, told.updated_at, told.read_at]
    return [*fields, [list(each) for each in told.also]] if told.also else fields


def _published(fields: Sequence[Any]) -> Published:
    fact, patient, digest, updated_at, read_at, *also = fields
    others = tuple((each[0], each[1]) for each in also[0]) if also else ()
    return Published(fact, patient, digest, updated_at, read_at, others)


def in_doubt(before: Published | None, intents: Sequence[Intent]) -> Published | None:
    """What is known of a record of which more may have been told; None: nothing was ever."""
    places = [place for intent in intents if (place := intent.place) is not None]
    if before is not None:
        places += before.places
    if not places:
        return None
    versions = [(intent.updated_at, intent.read_at) for intent in intents]
    if before is not None:
        versions.append((before.updated_at, before.read_at))
    (fact, patient), *also = dict.fromkeys(places)
    updated_at, read_at = max(versions)
    return Published(fact, patient, "", updated_at, read_at, tuple(also))


def stored_of(document: Document) -> Stored:
    """The record of a document, with what was told of it."""
    told = document.get("p")
    record = record_of(document) if "updated_at" in document else None
    return Stored(document["id"], record, _published(told) if told else None)


def record_of(document: Document) -> Record:
    """The record of a document that has one."""
    return from_fields(document["resource"], document)
