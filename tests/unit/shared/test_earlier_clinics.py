"""An id that is used again brings nothing back of the clinic that had it before."""

from collections.abc import Set
from datetime import UTC, datetime

from rules.instants import SECOND, from_datetime
from shared.dead_letters import DeadLetter
from shared.earlier_clinics import REASON, of_present_clinics
from shared.organizations import Organization
from shared.records import Record
from support.organizations import an_organization

AGAIN = datetime(2026, 11, 26, 12, tzinfo=UTC)


async def find_all(ids: Set[str]) -> dict[str, Organization]:
    return {one: organization(one) for one in ids if one != "org_unknown"}


def organization(organization_id: str) -> Organization:
    return an_organization(organization_id, added_again_at=AGAIN if organization_id == "org_again" else None)


def record(organization_id: str, after: int, value: bytes | None = b"{}") -> Record:
    return Record("cliniko-contacts", 0, 0, f"{organization_id}:p1".encode(), value, (), from_datetime(AGAIN) + after)


async def test_what_was_told_before_the_id_was_used_again_is_set_aside() -> None:
    old, tombstone, new = record("org_again", -1), record("org_again", -1, None), record("org_again", 0)
    kept, dead = await of_present_clinics([old, tombstone, new], find_all)
    assert kept == [tombstone, new]
    assert dead == [DeadLetter.invalid(old, REASON)]


async def test_of_other_organizations_nothing_is_set_aside_whatever_the_clocks_say() -> None:
    records = [record("org_first", -60 * SECOND), record("org_unknown", -SECOND), record("", 0)]
    records.append(records[0]._replace(key=None))
    records.append(record("org_again", 0)._replace(timestamp=-1_000))  # a record without a time
    assert await of_present_clinics(records, find_all) == (records, [])
