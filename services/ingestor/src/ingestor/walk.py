"""Walks Cliniko's lists ahead of those who work on them, and hands over what was read in batches."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from ingestor.cliniko import Page
from ingestor.fields import UntranslatableError, ident
from ingestor.records import Record
from ingestor.translate import translate
from shared.tasks import cancelled

PAGES_AHEAD = 10
"""Read before they are needed, at most: some megabytes."""

PAGES_AT_ONCE = 8
"""Worked on together, at most, when they have piled up: fewer round trips to MongoDB and Kafka."""


@dataclass(frozen=True, slots=True)
class Read:
    """A record as it was read, and when it was asked for."""

    record: Record
    read_at: int


@dataclass(slots=True)
class Batch:
    """Records of one resource by id, the newest read of each.

    `ids` has those, too, of which no sense could be made; `nonsense` counts by the field at fault.
    """

    reads: dict[str, Read] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    count: int = 0
    total: int | None = None
    nonsense: dict[str, int] = field(default_factory=dict)

    @property
    def read_at(self) -> int:
        """The newest read in it."""
        return max(read.read_at for read in self.reads.values())


@asynccontextmanager
async def walked(pages: AsyncGenerator[Page, None], resource: str) -> AsyncIterator[AsyncIterator[Batch]]:
    """The list's records in batches; the next pages are fetched while one is worked on."""
    async with _ahead(pages) as lots:
        yield (batch_of(lot, resource) async for lot in lots)


def batch_of(pages: Iterable[Page], resource: str) -> Batch:
    """The records of some pages, translated; of two reads of one record the newer version."""
    batch = Batch()
    for page in pages:
        batch.count += len(page.items)
        batch.total = page.total
        for raw in page.items:
            record_id = ident(raw.get("id")) if isinstance(raw, dict) else None
            if record_id is not None:
                batch.ids.add(record_id)
            try:
                record = translate(resource, raw)
            except UntranslatableError as fault:
                batch.nonsense[str(fault)] = batch.nonsense.get(str(fault), 0) + 1
                continue
            held = batch.reads.get(record.id)
            if held is None or record.updated_at >= held.record.updated_at:
                batch.reads[record.id] = Read(record, page.read_at)
    return batch


@asynccontextmanager
async def _ahead(pages: AsyncGenerator[Page, None]) -> AsyncIterator[AsyncIterator[list[Page]]]:
    queue: asyncio.Queue[Page | Exception | None] = asyncio.Queue(PAGES_AHEAD)

    async def fetch() -> None:
        try:
            async with aclosing(pages):
                async for page in pages:
                    await queue.put(page)
        except Exception as fault:  # noqa: BLE001 - raised again by whoever takes it
            await queue.put(fault)
        else:
            await queue.put(None)

    fetching = asyncio.create_task(fetch())
    try:
        yield _lots(queue)
    finally:
        await cancelled(fetching)


async def _lots(queue: asyncio.Queue[Page | Exception | None]) -> AsyncIterator[list[Page]]:
    end: Exception | None = None
    ended = False
    while not ended:
        lot: list[Page] = []
        while not ended and len(lot) < PAGES_AT_ONCE and (not lot or not queue.empty()):
            item = await queue.get()
            if isinstance(item, Page):
                lot.append(item)
            else:
                end, ended = item, True
        if lot:
            yield lot
    if end is not None:
        raise end
