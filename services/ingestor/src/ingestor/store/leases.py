"""Who may use an API key: one document per key, by MongoDB's own clock."""

from typing import Any

from pymongo.errors import DuplicateKeyError

from shared.mongo import Database

_MILLISECONDS = 1_000


class LeaseStore:
    """Leases by hash of the API key; a holder's name is its own alone."""

    def __init__(self, database: Database) -> None:
        self._leases = database["leases"]

    async def take(self, key_hash: str, holder: str, seconds: float) -> bool:
        """Whether the holder has the lease now: it was free, had run out, or was its own."""
        is_free = {
            "$or": [
                {"$eq": [{"$type": "$expires_at"}, "missing"]},
                {"$lte": ["$expires_at", "$$NOW"]},
                {"$eq": ["$holder", {"$literal": holder}]},
            ]
        }
        # Not in the filter: $expr cannot be upserted.
        wanted: list[dict[str, Any]] = [
            {"$set": {"is_free": is_free}},
            {
                "$set": {
                    "holder": {"$cond": ["$is_free", {"$literal": holder}, "$holder"]},
                    "expires_at": {"$cond": ["$is_free", _in(seconds), "$expires_at"]},
                }
            },
            {"$unset": "is_free"},
        ]
        while True:
            try:
                found = await self._leases.find_one_and_update({"_id": key_hash}, wanted, upsert=True)
            except DuplicateKeyError:  # two first ones at once: the document is there now
                continue
            return found is not None and found["holder"] == holder

    async def renew(self, key_hash: str, holder: str, seconds: float) -> bool:
        """Whether the holder still has the lease, now for so long again."""
        still = {"_id": key_hash, "holder": holder, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
        result = await self._leases.update_one(still, [{"$set": {"expires_at": _in(seconds)}}])
        return result.matched_count == 1

    async def give_back(self, key_hash: str, holder: str) -> None:
        """The next one need not wait."""
        await self._leases.delete_one({"_id": key_hash, "holder": holder})


def _in(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", round(seconds * _MILLISECONDS)]}
