"""All messages of an organization are told anew, when its results are built anew.

The operator's program asks in `reengage.rebuild_requests`; the owner of the organization's home
partition answers in `outreach_tracker.retold`. Every patient's revision grows, so that what is
told now replaces whatever the readers have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from outreach_tracker.announcements import Occasion, message_changed, treatment_changed
from outreach_tracker.lifecycle import messages
from outreach_tracker.store import Change, MongoHistoryStore, PatientHistory
from shared.clock import Clock
from shared.faults import describe, is_transient
from shared.kafka import Outgoing
from shared.logs import log_of
from shared.mongo import Collection
from shared.timelines import home_partition

BATCH = 100
"""Patients told at once."""

PAUSE_SECONDS = 0.5

Publish = Callable[[Iterable[Outgoing]], Awaitable[object]]
IsKnown = Callable[[str], Awaitable[bool]]

_log = log_of("retelling")


class Retelling:
    """Looks for requests for ever; kept up where it was, whoever goes on."""

    def __init__(
        self,
        requests: Collection,
        retold: Collection,
        store: MongoHistoryStore,
        publish: Publish,
        is_known: IsKnown,
        homes: Callable[[], Sequence[int]],
        clock: Clock,
    ) -> None:
        self._requests = requests
        self._retold = retold
        self._store = store
        self._publish = publish
        self._is_known = is_known
        self._homes = homes
        self._clock = clock

    async def run(self) -> None:
        """Answers requests until cancelled; waits transient faults out."""
        while True:
            try:
                await self.look()
            except Exception as fault:
                if not is_transient(fault):
                    raise
                _log.warning("not told anew", error=describe(fault))
            await asyncio.sleep(PAUSE_SECONDS)

    async def look(self) -> None:
        """Answers what is asked of the organizations that are at home here."""
        for request in await self._requests.find({}, {"number": 1}).to_list():
            if home_partition(request["_id"]) in self._homes() and await self._is_known(request["_id"]):
                await self._retell(request["_id"], request["number"])

    async def _retell(self, organization_id: str, number: int) -> None:
        state = await self._retold.find_one({"_id": organization_id})
        if state is None or state["number"] < number:
            total = await self._store.count(organization_id)
            state = {"_id": organization_id, "number": number, "after": "", "told": 0, "total": total, "done": False}
            await self._retold.replace_one({"_id": organization_id}, state, upsert=True)
        while not state["done"]:
            page = await self._store.page(organization_id, state["after"], BATCH)
            await self._tell(page)
            state |= {"told": state["told"] + len(page), "done": len(page) < BATCH}
            state["after"] = page[-1].key if page else state["after"]
            await self._retold.replace_one({"_id": organization_id, "number": number}, state)
            if state["done"]:
                _log.info("told anew", organization_id=organization_id, count=state["told"])

    async def _tell(self, patients: Sequence[PatientHistory]) -> None:
        waiting = {patient.key: patient for patient in patients}
        while waiting:
            newer = {key: _at_next_revision(patient, self._clock.now()) for key, patient in waiting.items()}
            lost = await self._store.save([Change(patient, ()) for patient in newer.values()])
            await self._publish([told for key in newer.keys() - lost for told in everything(newer[key])])
            waiting = await self._store.read(lost) if lost else {}


def _at_next_revision(patient: PatientHistory, now: int) -> PatientHistory:
    changed_at = max(now, patient.changed_at)
    return PatientHistory(
        patient.organization_id, patient.patient_id, patient.revision + 1, changed_at, patient.history
    )


def everything(patient: PatientHistory) -> Iterator[Outgoing]:
    """The records of all messages and treatments of a patient, emptied ones included. Pure."""
    occasion = Occasion(patient.organization_id, patient.patient_id, patient.revision, patient.changed_at)
    named: Any = set().union(*(told.named for told in patient.history.values()))
    for message, events in messages(patient.history, sorted(named)).items():
        yield message_changed(occasion, message, events)
    for _, told in sorted(patient.history.items()):
        if told.treated:
            yield treatment_changed(occasion, told)
