"""Records of a clinic that was removed, where its organization's id is used again: they are nobody's any more."""

from collections.abc import Awaitable, Callable, Sequence

from rules.instants import from_datetime
from shared.dead_letters import DeadLetter
from shared.organizations import Organization
from shared.records import Record

REASON = "of a clinic that had this organization's id before"

Find = Callable[[str], Awaitable[Organization | None]]


def organization_of(key: bytes | None) -> str:
    """The organization that a record's key names; ids hold no colon."""
    return (key or b"").partition(b":")[0].decode(errors="replace")


async def of_present_clinics(records: Sequence[Record], find: Find) -> tuple[list[Record], list[DeadLetter]]:
    """The records that may be handled, and those that lay in Kafka when the id was given away, as dead letters."""
    since: dict[str, int] = {}
    kept: list[Record] = []
    dead: list[DeadLetter] = []
    for record in records:
        organization_id = organization_of(record.key)
        if organization_id not in since:
            organization = await find(organization_id)
            again = organization.added_again_at if organization is not None else None
            since[organization_id] = 0 if again is None else from_datetime(again)
        if record.value is not None and 0 <= record.timestamp < since[organization_id]:
            dead.append(DeadLetter.invalid(record, REASON))
        else:
            kept.append(record)
    return kept, dead
