"""What has to be told, given what was told before? Events out; nothing is read or written."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from ingestor.compose import Fact, Kind, NoFact
from shared.events import DATA_OF_TYPE, ContactErased, Event, FromCliniko, Version
from shared.topics import CONTACTS, record_key

PRODUCER = "ingestor"

ENVELOPES: dict[str, Any] = {event_type: Event.__class_getitem__(model) for event_type, model in DATA_OF_TYPE.items()}
"""The model of the whole event by type."""

_DIGEST_BYTES = 12


@dataclass(frozen=True, slots=True)
class Published:
    """What was told last of a record: under which id, of which patient, and of which version.

    In doubt (`hash` is "") after a crash: something was told, and it is not known what. Then
    `also` has the other ids and patients that may have been told of, and the version is the
    greatest of all.
    """

    fact: str
    patient: str
    hash: str
    updated_at: int
    read_at: int
    also: tuple[tuple[str, str], ...] = ()

    @property
    def in_doubt(self) -> bool:
        """Whether the record has to be told again, whatever it says."""
        return not self.hash

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """All ids and patients under which something may have been told."""
        return ((self.fact, self.patient), *self.also)


@dataclass(frozen=True, slots=True)
class Told:
    """One event on its way to Kafka."""

    topic: str
    key: bytes
    value: bytes
    type: str


def content_hash(fact: Fact) -> str:
    """Equal for facts that say the same; versions say nothing."""
    written = orjson.dumps(fact.content)
    return blake2b(written, digest_size=_DIGEST_BYTES).hexdigest()


def decide(
    organization: str,
    kind: Kind,
    fact: Fact | NoFact,
    before: Published | None,
    *,
    updated_at: int,
    read_at: int,
) -> tuple[list[Told], Published | None]:
    """What to tell of a record, and what will have been told then.

    `updated_at` is the own record's, `read_at` the instant at which its newest part was read.
    Nothing is told when nothing changed, and never a version older than the one told before.
    A fact that has another id or patient now leaves the first patient.
    """
    if fact is NoFact.UNTOLD or (before is not None and updated_at < before.updated_at):
        return [], before
    if before is not None and updated_at == before.updated_at:
        read_at = max(read_at, before.read_at + 1)  # a clock may have been set back
    version = Version(updated_at=updated_at, read_at=read_at)
    places = () if before is None else before.places
    if isinstance(fact, NoFact):
        return [_left(organization, kind, place, version) for place in places], None
    digest = content_hash(fact)
    if before is not None and digest == before.hash:
        return [], before
    told = [_changed(organization, fact, version)]
    told += [_left(organization, kind, each, version) for each in places if each != (fact.id, fact.patient)]
    return told, Published(fact.id, fact.patient, digest, updated_at, read_at)


def erased(organization: str, patient: str, *, erased_at: int, updated_at: int, read_at: int) -> Told:
    """The event that says that a patient was deleted for good.

    `updated_at`: the greatest that was ever told of the patient, so that no version outlives it.
    """
    version = Version(updated_at=updated_at, read_at=read_at)
    data = ContactErased(organization_id=organization, patient_id=patient, version=version, erased_at=erased_at)
    return _told(CONTACTS, "contact.erased.v1", f"contact/{patient}", data)


def _changed(organization: str, fact: Fact, version: Version) -> Told:
    data = fact.kind.changed_model.model_validate({"organization_id": organization, "version": version, **fact.content})
    return _told(fact.kind.topic, fact.kind.changed, f"{fact.kind.name}/{fact.id}", data)


def _left(organization: str, kind: Kind, place: tuple[str, str], version: Version) -> Told:
    if kind.left is None or kind.left_model is None or kind.named is None:
        raise ValueError(f"a {kind.name} never leaves its patient")
    fact_id, patient = place
    data = kind.left_model.model_validate(
        {"organization_id": organization, "patient_id": patient, kind.named: fact_id, "version": version}
    )
    return _told(kind.topic, kind.left, f"{kind.name}/{fact_id}", data)


def _told(topic: str, event_type: str, subject: str, data: FromCliniko) -> Told:
    version = data.version
    event = ENVELOPES[event_type].model_construct(
        id=f"{subject}/{event_type}/{version.updated_at}.{version.read_at}",
        source=f"/{PRODUCER}/{data.organization_id}",
        type=event_type,
        time=version.read_at,
        subject=data.patient_id,
        datacontenttype="application/json",
        data=data,
    )
    value: bytes = event.model_dump_json().encode()
    return Told(topic, record_key(data.organization_id, data.patient_id), value, event_type)
