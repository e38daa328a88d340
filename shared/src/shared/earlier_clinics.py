"""Records of a clinic that was removed, where its organization's id is used again: they are nobody's any more."""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set

from rules.instants import from_datetime
from shared.dead_letters import DeadLetter
from shared.organizations import Organization
from shared.records import Record

REASON = "of a clinic that had this organization's id before"

FindAll = Callable[[Set[str]], Awaitable[Mapping[str, Organization]]]


def organization_of(key: bytes | None) -> str:
    """The organization that a record's key names; ids hold no colon."""
    return (key or b"").partition(b":")[0].decode(errors="replace")


async def of_present_clinics(records: Sequence[Record], find_all: FindAll) -> tuple[list[Record], list[DeadLetter]]:
    """The records that may be handled, and those that lay in Kafka when the id was given away, as dead letters."""
    ids = [organization_of(record.key) for record in records]
    found = await find_all(set(ids))
    since = {one.id: from_datetime(one.added_again_at) for one in found.values() if one.added_again_at is not None}
    kept: list[Record] = []
    dead: list[DeadLetter] = []
    for organization_id, record in zip(ids, records, strict=True):
        if record.value is not None and 0 <= record.timestamp < since.get(organization_id, 0):
            dead.append(DeadLetter.invalid(record, REASON))
        else:
            kept.append(record)
    return kept, dead
