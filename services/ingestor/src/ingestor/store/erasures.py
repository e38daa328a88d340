"""The erasures that people asked for: `reengage.erasure_requests`, written with the CLI."""

from dataclasses import dataclass

from shared.mongo import Database


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """One that is not served yet."""

    id: str
    organization_id: str
    patient_id: str


class ErasureRequestStore:
    """Open requests, and what became of them; a served one names no patient any more."""

    def __init__(self, database: Database) -> None:
        self._requests = database["erasure_requests"]

    async def open(self) -> list[ErasureRequest]:
        """All that wait to be served, oldest first."""
        found = self._requests.find({"state": "requested"}, sort=[("requested_at", 1)])
        return [ErasureRequest(each["_id"], each["organization_id"], each["patient_id"]) async for each in found]

    async def end(self, request_id: str, *, error: str | None = None) -> None:
        """It is served: the erasure is in Kafka, and the patient forgotten here; or it came to nothing."""
        state = {"state": "failed" if error else "done", "error": error}
        await self._requests.update_one({"_id": request_id}, {"$set": state, "$unset": {"patient_id": ""}})
