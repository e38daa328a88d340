"""Erasing a patient here: what is held, asking the ingestor, and seeing it gone everywhere."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from reengage import organizations
from reengage.control import Control
from reengage.failures import CommandError
from reengage.synchronization import NO_INGESTOR
from shared.erasure import erasure_id
from shared.timelines import ASSESSMENTS, DATABASE, STANDINGS, TIMELINES, home_partition, timeline_id

POLL_SECONDS = 0.2
KINDS = ("appointments", "communications", "recalls", "messages", "treatments")


@dataclass(frozen=True)
class Held:
    """What is held of a patient, and of those who were merged into them: the same person.

    `name` is None when there is no record of Cliniko's, and may be empty when there is one.
    """

    patients: tuple[str, ...]
    name: str | None
    counts: dict[str, int]


async def held(control: Control, organization_id: str, patient_id: str) -> Held | None:
    """What is held; None when it is nothing at all, or the patient was erased before."""
    await organizations.load(control, organization_id)
    timelines = control.client[DATABASE][TIMELINES]
    first = timeline_id(organization_id, patient_id)
    found: dict[str, dict[str, Any]] = {}
    pending = {first}
    while pending:
        query = {"$or": [{"_id": {"$in": sorted(pending)}}, {"merged_into": {"$in": sorted(pending)}}]}
        several = {each["_id"]: each for each in await timelines.find(query).to_list() if "erased" not in each}
        pending = several.keys() - found.keys()
        found |= several
    of_person = {name: each for name, each in found.items() if not each["patient_id"].startswith("erased-")}
    reported = await control.client["outreach_tracker"]["patients"].find_one({"_id": first}, {"_id": 1})
    record = await control.client["ingestor"]["records"].find_one({"_id": f"{organization_id}|patients|{patient_id}"})
    if first not in of_person and reported is None and record is None:
        return None
    counts = {kind: sum(_count(each, kind) for each in of_person.values()) for kind in KINDS}
    name = of_person.get(first, {}).get("contact", {}).get("name", None if record is None else "")
    return Held(tuple(sorted({patient_id, *(each["patient_id"] for each in of_person.values())})), name, counts)


def _count(timeline: dict[str, Any], kind: str) -> int:
    return sum("left" not in fact for fact in timeline.get(kind, {}).values())


async def was_erased(control: Control, organization_id: str, patient_id: str) -> bool:
    """Whether some service has a marker of the patient."""
    marker = erasure_id(timeline_id(organization_id, patient_id))
    places = (
        (DATABASE, "erasures", marker),
        ("outreach_tracker", "erasures", marker),
        ("ingestor", "records", f"{organization_id}|erased|{marker}"),
    )
    for database, collection, name in places:
        if await control.client[database][collection].find_one({"_id": name}, {"_id": 1}):
            return True
    return False


async def ask(control: Control, organization_id: str, patient_id: str) -> str:
    """The id of a new request."""
    request_id = str(uuid.uuid4())
    await control.collection("erasure_requests").insert_one(
        {
            "_id": request_id,
            "organization_id": organization_id,
            "patient_id": patient_id,
            "requested_at": control.now(),
            "state": "requested",
            "error": None,
        }
    )
    return request_id


async def await_gone(
    control: Control, organization_id: str, patients: tuple[str, ...], request_id: str | None, *, patience: float
) -> list[str]:
    """What still holds something of the patients after so many seconds; empty as soon as nothing does.

    Without a request they were erased before, and who was merged into them is not known any more.
    """
    waited = 0.0
    while True:
        if request_id is None:
            pending = await _pending(control, organization_id, patients, merged_too=True)
        else:
            pending = await _unserved(control, request_id) or await _pending(control, organization_id, patients)
        if not pending or waited >= patience:
            return pending
        await asyncio.sleep(POLL_SECONDS)
        waited += POLL_SECONDS


async def _unserved(control: Control, request_id: str) -> list[str]:
    request = await control.collection("erasure_requests").find_one({"_id": request_id})
    if request is None or request["state"] == "failed":
        raise CommandError(request["error"] if request else "the request is gone: was the organization removed?")
    if request["state"] == "requested":
        return [f"the ingestor has not begun ({NO_INGESTOR})"]
    return []


async def _pending(
    control: Control, organization_id: str, patients: tuple[str, ...], *, merged_too: bool = False
) -> list[str]:
    client = control.client
    keys = [timeline_id(organization_id, patient) for patient in patients]
    markers = {"_id": {"$in": [erasure_id(key) for key in keys]}}
    pending = []
    timelines = await client[DATABASE][TIMELINES].count_documents({"_id": {"$in": keys}})
    results = await client[DATABASE][ASSESSMENTS].count_documents(
        {"_id": {"$in": await _results(control, patients, organization_id)}}
    )
    marked = await client[DATABASE]["erasures"].count_documents(markers)
    unsettled = merged_too and await _is_settling_erased(control, organization_id)
    if marked < len(keys) or timelines or results or unsettled:
        pending.append("risk-engine")
    histories = await client["outreach_tracker"]["patients"].count_documents({"_id": {"$in": keys}})
    if histories or await client["outreach_tracker"]["erasures"].count_documents(markers) < len(keys):
        pending.append("outreach-tracker")
    return pending


async def _is_settling_erased(control: Control, organization_id: str) -> bool:
    """Whether erased timelines of the organization, whosever, are still to be deleted with their results."""
    erased = {"home": home_partition(organization_id), "dirty": {"$exists": True}, "erased": True}
    query = {**erased, "organization_id": organization_id}
    return await control.client[DATABASE][TIMELINES].find_one(query, {"_id": 1}) is not None


async def _results(control: Control, patients: tuple[str, ...], organization_id: str) -> list[str]:
    standing = await control.client[DATABASE][STANDINGS].find_one({"_id": organization_id}) or {}
    parts = [standing, standing.get("building") or {}, *standing.get("retired", ())]
    generations = [part["generation"] for part in parts if "generation" in part]
    return [f"{organization_id}|{number}|{patient}" for number in generations for patient in patients]
