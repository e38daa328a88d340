"""What the gateway itself keeps: the secret that seals cursors, one for all gateways."""

import asyncio
import secrets
from contextlib import suppress

from bson.binary import Binary
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.faults import is_transient
from shared.logs import log_of
from shared.mongo import Database

RETRY_SECONDS = 1.0

_OF_CURSORS = "cursor"
_SECRET_BYTES = 32

_log = log_of("store")


async def cursor_secret(database: Database) -> bytes:
    """The secret in `api_gateway.secrets`, made by whichever gateway asks first.

    Waits for a MongoDB that is away, as long as it takes.
    """
    while True:
        try:
            return await _found_or_made(database)
        except PyMongoError as fault:
            if not is_transient(fault):
                raise
            _log.warning("waiting for MongoDB", error=fault)
        await asyncio.sleep(RETRY_SECONDS)


async def _found_or_made(database: Database) -> bytes:
    collection = database["secrets"]
    found = await collection.find_one({"_id": _OF_CURSORS})
    if found is None:
        with suppress(DuplicateKeyError):  # another gateway was faster
            await collection.insert_one({"_id": _OF_CURSORS, "secret": Binary(secrets.token_bytes(_SECRET_BYTES))})
        found = await collection.find_one({"_id": _OF_CURSORS})
        assert found is not None
    return bytes(found["secret"])
