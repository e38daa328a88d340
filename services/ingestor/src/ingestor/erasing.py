"""Patients whom the clinic wants erased here, although Cliniko still has them.

Needs no API key and waits for no synchronization: the marker is stored before anything is deleted,
and every batch looks for markers before it tells and after it stored (`ledger.py`).
"""

import asyncio

from ingestor.contacts import erase
from ingestor.ledger import Producer, Work
from ingestor.store.erasures import ErasureRequest, ErasureRequestStore
from ingestor.task import Stores
from shared.clock import Clock
from shared.faults import describe, is_transient
from shared.logs import log_of
from shared.organizations import OrganizationDirectory

PAUSE_SECONDS = 0.5

_log = log_of("erasing")


class Unleased:
    """Whoever erases may: two at once do the same."""

    def check(self) -> None:
        """Nobody has to be kept out."""

    async def confirm(self) -> None:
        """Nobody has to be kept out."""


class Eraser:
    """Looks for requests for ever; each is served at least once."""

    def __init__(
        self,
        requests: ErasureRequestStore,
        stores: Stores,
        producer: Producer,
        directory: OrganizationDirectory,
        clock: Clock,
    ) -> None:
        self._requests = requests
        self._stores = stores
        self._producer = producer
        self._directory = directory
        self._clock = clock

    async def run(self) -> None:
        """Serves requests until cancelled; waits transient faults out."""
        while True:
            try:
                for request in await self._requests.open():
                    await self._serve(request)
            except Exception as fault:
                if not is_transient(fault):
                    raise
                _log.warning("not erased yet", error=describe(fault))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _serve(self, request: ErasureRequest) -> None:
        org = request.organization_id
        if await self._directory.find(org) is None:
            await self._requests.end(request.id, error=f"there is no organization {org}")
            return
        work = Work(org, self._stores.records, self._stores.intents, self._producer, Unleased(), self._clock)
        # Not those erased before: telling it again heals what was lost, and changes nothing else.
        await erase(work, [(request.patient_id, None)], read_at=self._clock.now())
        await self._requests.end(request.id)
        _log.info("a patient was erased", organization_id=org)
