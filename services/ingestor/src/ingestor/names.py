"""Reads what appointment types, practitioners, businesses and referral sources are called.

The lists are small and are read whole each time: a name counts however it came to change.
"""

from typing import cast

from ingestor.bookings import rename
from ingestor.cliniko import Cliniko, Question
from ingestor.contacts import rename_referral_sources
from ingestor.errors import NotFilterableError, NotThereError
from ingestor.ledger import Work
from ingestor.records import Named
from ingestor.walk import Read, batch_of

_LISTS = (
    Question("/appointment_types", "appointment_types", ("archived_at:*",)),
    Question("/practitioners", "practitioners"),
    Question("/practitioners/inactive", "practitioners"),
    Question("/businesses", "businesses", ("archived_at:*",)),
    Question("/referral_source_types", "referral_source_types", ("archived_at:*",)),
)
_MAY_BE_ABSENT = ("/practitioners/inactive", "/referral_source_types")


async def read_names(cliniko: Cliniko, work: Work) -> None:
    """Fills `work.names`; facts that show a name that changed are told anew.

    What is not listed any more keeps the name it had.
    """
    called = await work.intents.renaming(work.org)
    fresh: list[Read] = []
    for resource in dict.fromkeys(question.key for question in _LISTS):
        listed = await _listed(cliniko, resource)
        held = {each.id: cast("Named", each) for each in await work.records.all_of(work.org, resource)}
        now = {record_id: cast("Named", read.record) for record_id, read in listed.items()}
        names = {each.id: each.name for each in held.values()}
        new = [each.id for each in now.values() if names.get(each.id) != each.name]
        called[resource] = [*called.get(resource, ()), *new]
        work.names.by_resource[resource] = names | {each.id: each.name for each in now.values()}
        fresh += [read for read in listed.values() if held.get(read.record.id) != read.record]
    read_at = max((read.read_at for read in fresh), default=work.clock.now())
    if any(called.values()):
        await work.intents.note_renaming(work.org, called)
        await rename(work, called, read_at=read_at)
        await rename_referral_sources(work, called["referral_source_types"], read_at=read_at)
    ledger = work.ledger()
    for read in fresh:
        ledger.hold(read.record, None, read_at=read.read_at)
    await ledger.settle()
    await work.intents.end_renaming(work.org)


async def _listed(cliniko: Cliniko, resource: str) -> dict[str, Read]:
    reads: dict[str, Read] = {}
    for question in _LISTS:
        if question.key != resource:
            continue
        try:
            async for page in cliniko.pages(question):
                reads |= batch_of([page], resource).reads
        except (NotThereError, NotFilterableError):
            if question.path not in _MAY_BE_ABSENT:
                raise
    return reads
