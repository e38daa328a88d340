"""What the gateway itself keeps: the secret that seals cursors, one for all gateways."""

import secrets
from contextlib import suppress

from bson.binary import Binary
from pymongo.errors import DuplicateKeyError

from shared.mongo import Database

_OF_CURSORS = "cursor"
_SECRET_BYTES = 32


async def cursor_secret(database: Database) -> bytes:
    """The secret in `api_gateway.secrets`, made by whichever gateway asks first."""
    collection = database["secrets"]
    found = await collection.find_one({"_id": _OF_CURSORS})
    if found is None:
        with suppress(DuplicateKeyError):  # another gateway was faster
            await collection.insert_one({"_id": _OF_CURSORS, "secret": Binary(secrets.token_bytes(_SECRET_BYTES))})
        found = await collection.find_one({"_id": _OF_CURSORS})
        assert found is not None
    return bytes(found["secret"])
