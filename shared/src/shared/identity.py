"""Who may ask, and how secrets are kept: tokens as hashes, API keys sealed.

Tokens are random and long, so a plain SHA-256 of them gives nothing away; API keys of Cliniko
must be read again and are sealed with AES-256-GCM, bound to their organization.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Role = Literal["viewer", "staff", "publisher", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

TOKEN = re.compile(r"rg_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
CACHE_SECONDS = 1.0

SHARD = re.compile(r"[a-z]{2}\d{1,2}")
DEFAULT_SHARD = "au1"

_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class Caller:
    """Whom a valid token speaks for."""

    token_id: str
    organization_id: str
    role: Role


def new_token(
    organization_id: str,
    role: Role,
    *,
    now: datetime,
    name: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, dict[str, Any]]:
    """A new token as its owner sees it (once), and the document to store: it holds the hash."""
    token_id = secrets.token_hex(8)
    text = f"rg_{token_id}_{secrets.token_urlsafe(32)}"
    return text, {
        "_id": token_id,
        "hash": hash_token(text),
        "organization_id": organization_id,
        "role": role,
        "name": name,
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
    }


def hash_token(text: str) -> str:
    """SHA-256 of a token in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def id_of_token(text: str) -> str | None:
    """The id in a token's text; None when the text is no token of ours."""
    match = TOKEN.fullmatch(text)
    return match.group(1) if match else None


def caller_of(text: str, document: Mapping[str, Any], *, now: datetime) -> Caller | None:
    """Whom the token speaks for by its stored document; None: wrong, revoked or expired."""
    if not hmac.compare_digest(hash_token(text), str(document["hash"])):
        return None
    if document.get("revoked_at") is not None:
        return None
    expires_at = document.get("expires_at")
    if expires_at is not None and _in_utc(expires_at) <= now:
        return None
    return Caller(document["_id"], document["organization_id"], document["role"])


class Collection(Protocol):
    """What is asked of `reengage.tokens` (`shared.mongo.Collection`)."""

    def find_one(self, filter: Mapping[str, Any], /) -> Awaitable[Mapping[str, Any] | None]: ...  # noqa: A002


class TokenDirectory:
    """Looks tokens up; a stored one is remembered for a second, a wrong one never."""

    def __init__(
        self,
        tokens: Collection,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._now = now
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def caller(self, text: str) -> Caller | None:
        """Whom the token speaks for now; None for anything that is no valid token.

        Whether the organization still exists is the directory's question.
        """
        token_id = id_of_token(text)
        if token_id is None:
            return None
        known = self._found.get(token_id)
        if known and known[0] > self._monotonic():
            return caller_of(text, known[1], now=self._now())
        self._found.pop(token_id, None)
        document = await self._tokens.find_one({"_id": token_id})
        if document is None:
            return None
        self._found[token_id] = (self._monotonic() + CACHE_SECONDS, document)
        return caller_of(text, document, now=self._now())


def shard_of(api_key: str) -> str | None:
    """The Cliniko shard that a key names after its last hyphen; None when it names none."""
    body, hyphen, suffix = api_key.rpartition("-")
    return suffix if body and hyphen and SHARD.fullmatch(suffix) else None


def hash_api_key(api_key: str) -> str:
    """What the budget of a key is filed under: the same with its default shard left off."""
    whole = api_key if shard_of(api_key) else f"{api_key}-{DEFAULT_SHARD}"
    return hashlib.sha256(whole.encode()).hexdigest()


class SealError(Exception):
    """A sealed API key cannot be opened, or the sealing keys make no sense."""


class KeySealer:
    """Seals API keys so that a copy of the database alone opens none.

    A sealed key is `<id of the sealing key>:<base64 of nonce and ciphertext>`, and opens for
    its organization only: moved to another's document it is worthless.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise SealError("no sealing key: set REENGAGE_ENCRYPTION_KEYS")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.active_id = next(iter(keys))

    @classmethod
    def from_text(cls, text: str) -> "KeySealer":
        """Sealing keys from `id:base64[,id:base64...]`: the first seals, all open."""
        keys: dict[str, bytes] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = entry.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not _KEY_ID.fullmatch(key_id) or len(key) != _KEY_BYTES or key_id in keys:
                position = len(keys) + 1
                raise SealError(
                    f"entry {position} of REENGAGE_ENCRYPTION_KEYS is not <id>:<base64 of 32 bytes>"
                    " with an id of its own"
                )
            keys[key_id] = key
        return cls(keys)

    def seal(self, api_key: str, *, organization_id: str) -> str:
        """The key sealed with the active sealing key; different each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[self.active_id].encrypt(nonce, api_key.encode(), organization_id.encode())
        return f"{self.active_id}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, organization_id: str) -> str:
        """The API key; SealError when its sealing key is gone or it is not this organization's."""
        key_id, _, encoded = sealed.partition(":")
        if key_id not in self._keys:
            raise SealError(
                f"sealing key {key_id!r} of {organization_id} is not in REENGAGE_ENCRYPTION_KEYS:"
                f" add it again, or give the API key anew with `reengage org set-key"
                f" {organization_id}`"
            )
        try:
            raw = base64.b64decode(encoded)
            opened = self._keys[key_id].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], organization_id.encode())
        except (InvalidTag, ValueError):  # ValueError: no base64, or too short
            raise SealError(
                f"the API key of {organization_id} was sealed with another key than {key_id!r} of"
                f" REENGAGE_ENCRYPTION_KEYS, or was altered: give it anew with `reengage org"
                f" set-key {organization_id}`"
            ) from None
        return opened.decode()

    def is_active(self, sealed: str) -> bool:
        """Whether the key was sealed with the active sealing key."""
        return sealed.partition(":")[0] == self.active_id


def new_sealing_key(key_id: str) -> str:
    """A fresh entry for REENGAGE_ENCRYPTION_KEYS."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
