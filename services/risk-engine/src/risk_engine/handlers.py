"""What happens to a batch of records: its facts are folded into the patients' timelines."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import orjson
from pydantic import ValidationError

from risk_engine.changes import Change, change_of
from shared.dead_letters import DeadLetter
from shared.events import DATA_OF_TYPE, ContactErased, OfPatient
from shared.records import Record
from shared.timelines import timeline_id
from shared.topics import record_key


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


class InvalidRecordError(Exception):
    """The record can never be folded; the message holds no value of it."""


async def fold_into_timelines(
    records: Sequence[Record], timelines: Timelines, knows: KnowsOrganization
) -> list[DeadLetter]:
    """Folds the records and returns those that can never be; everything else is stored then.

    Records may come twice, late, and in parts: of each fact only the newest version stays.
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
    for erasure in erasures.values():
        await timelines.erase(erasure.organization_id, erasure.patient_id, erasure.erased_at)
    if newest:
        erased = await timelines.erased({timeline for timeline, _ in newest})
        await timelines.fold([c for (timeline, _), c in newest.items() if timeline not in erased])
    return dead_letters


def parse(record: Record) -> OfPatient:
    """The data of an event of our own services; raises InvalidRecordError."""
    try:
        envelope = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        raise InvalidRecordError("not JSON") from None
    if not isinstance(envelope, dict):
        raise InvalidRecordError("not a CloudEvent")
    model = DATA_OF_TYPE.get(str(envelope.get("type")))
    if model is None:
        raise InvalidRecordError("unknown event type")
    try:
        event = model.model_validate(envelope.get("data"))
    except ValidationError as invalid:
        places = ", ".join(sorted({".".join(map(str, e["loc"])) for e in invalid.errors()}))
        raise InvalidRecordError(f"invalid data: {places}") from None
    if record.key != record_key(event.organization_id, event.patient_id):
        raise InvalidRecordError("the key does not agree with the data")
    return event
