"""What happens to a batch of records: its facts are folded into the patients' timelines."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import orjson
from pydantic import ValidationError

from risk_engine.changes import Change, change_of
from shared.dead_letters import DeadLetter
from shared.erasure import tombstones
from shared.events import DATA_OF_TYPE, ContactErased, Event, OfPatient
from shared.kafka import Outgoing
from shared.records import Record
from shared.timelines import timeline_id
from shared.topics import RISK_ENGINE_TOPICS, TYPES_IN, record_key


class Timelines(Protocol):
    """Where timelines are kept."""

    async def erased(self, timelines: set[str]) -> set[str]:
        """Those whose patients were erased."""
        ...

    async def fold(self, changes: Sequence[Change]) -> None:
        """Stores the changes durably; one that is older than what is stored changes nothing."""
        ...

    async def erase(self, organization_id: str, patient_id: str, erased_at: int) -> None:
        """Replaces the patient's timeline by an anonymous one; a second time changes nothing."""
        ...


KnowsOrganization = Callable[[str], Awaitable[bool]]
Publish = Callable[[Iterable[Outgoing]], Awaitable[object]]


class InvalidRecordError(Exception):
    """The record can never be folded; the message holds no value of it."""


async def bury_nothing(records: Iterable[Outgoing]) -> None:
    """For who keeps no topics."""


async def fold_into_timelines(
    records: Sequence[Record], timelines: Timelines, knows: KnowsOrganization, bury: Publish = bury_nothing
) -> list[DeadLetter]:
    """Folds the records and returns those that can never be; everything else is stored then.

    Records may come twice, late, and in parts: of each fact only the newest version stays. What
    comes of an erased patient is not folded, nor set aside; its key gets a tombstone by `bury`.
    """
    newest: dict[tuple[str, str], Change] = {}
    erasures: dict[str, ContactErased] = {}
    dead_letters = []
    known: dict[str, bool] = {}
    for record in records:
        if record.value is None:
            continue
        try:
            event = parse(record)
        except InvalidRecordError as invalid:
            dead_letters.append(DeadLetter.invalid(record, str(invalid)))
            continue
        organization = event.organization_id
        if organization not in known:
            known[organization] = await knows(organization)
        if not known[organization]:
            dead_letters.append(DeadLetter.invalid(record, "unknown organization"))
        elif isinstance(event, ContactErased):
            erasures[timeline_id(organization, event.patient_id)] = event
        else:
            change = change_of(event)
            key = (change.timeline, change.field)
            if key not in newest or newest[key].version < change.version:
                newest[key] = change
    gone = await _erased(records, newest.values(), timelines)
    folded = [_for_the_living(change, gone) for change in newest.values() if change.timeline not in gone]
    if folded:
        await timelines.fold(folded)
        # Another process may have erased one meanwhile, after we asked and before we wrote.
        for change in await _erased_meanwhile(folded, timelines):
            await timelines.erase(change.organization_id, change.patient_id, 0)
    # One that was late may have folded such a fact, and died before it asked again.
    for change in {change.timeline: change for change in newest.values() if change.timeline in gone}.values():
        await timelines.erase(change.organization_id, change.patient_id, 0)
    # Facts of the same batch first: they belong to days before the erasure.
    for erasure in erasures.values():
        await timelines.erase(erasure.organization_id, erasure.patient_id, erasure.erased_at)
    await _bury(records, gone, erasures.keys(), bury)
    return [letter for letter in dead_letters if _key(letter.record) not in gone]


def _key(record: Record) -> str:
    return (record.key or b"").decode(errors="replace")


async def _erased(records: Sequence[Record], changes: Iterable[Change], timelines: Timelines) -> set[str]:
    """The patients of a batch that were erased before it; survivors that its patients name, too."""
    asked = {_key(record) for record in records}
    asked |= {change.merged_into for change in changes if change.merged_into is not None}
    return await timelines.erased(asked)


def _for_the_living(change: Change, gone: set[str]) -> Change:
    """The change without the id of an erased survivor."""
    if change.merged_into is None or change.merged_into not in gone:
        return change
    fact = {name: value for name, value in change.fact.items() if name != "merged_into"}
    return change._replace(fact=fact, merged_into=None)


async def _erased_meanwhile(changes: Sequence[Change], timelines: Timelines) -> list[Change]:
    by_timeline = {change.timeline: change for change in changes}
    return [by_timeline[timeline] for timeline in sorted(await timelines.erased(set(by_timeline)))]


async def _bury(records: Sequence[Record], gone: set[str], erased: Iterable[str], bury: Publish) -> None:
    places = [(record.topic, record.key) for record in records if record.key and record.value and _key(record) in gone]
    places += [(topic, timeline.encode()) for timeline in erased for topic in RISK_ENGINE_TOPICS]
    if places:
        await bury(tombstones(places))


def parse(record: Record) -> OfPatient:
    """The data of an event of our own services; raises InvalidRecordError."""
    try:
        envelope = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        raise InvalidRecordError("not JSON") from None
    if not isinstance(envelope, dict):
        raise InvalidRecordError("not a CloudEvent")
    kind = str(envelope.get("type"))
    model = DATA_OF_TYPE.get(kind)
    if model is None:
        raise InvalidRecordError("unknown event type")
    if kind not in TYPES_IN.get(record.topic, ()):
        raise InvalidRecordError(f"{kind} does not belong into {record.topic}")
    try:
        event = model.model_validate(envelope.get("data"))
    except ValidationError as invalid:
        raise InvalidRecordError(f"invalid data: {_places(invalid)}") from None
    if isinstance(event, ContactErased):
        _check_envelope(envelope)
    if record.key != record_key(event.organization_id, event.patient_id):
        raise InvalidRecordError("the key does not agree with the data")
    return event


def _check_envelope(envelope: dict[str, Any]) -> None:
    """Of an erasure: the outreach tracker reads it whole, and both must erase, or neither."""
    try:
        Event[ContactErased].model_validate(envelope)
    except ValidationError as invalid:
        raise InvalidRecordError(f"invalid event: {_places(invalid)}") from None


def _places(invalid: ValidationError) -> str:
    return ", ".join(sorted({".".join(map(str, e["loc"])) for e in invalid.errors()}))
