"""Where a list goes on: a cursor that only the walk that made it can use.

A cursor is sealed with AES-GCM: nobody can read the patient it stands at, alter it, or use it
for another organization, route, filter or order. It carries the instant of the walk's first
page, so that whoever changes meanwhile is neither repeated nor skipped.
"""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api_gateway.errors import Flaw, malformed
from api_gateway.moments import Moment
from api_gateway.ports import PatientQuery, Position

_PURPOSE = b"reengage cursor v1"
_NONCE_BYTES = 12

FOREIGN = Flaw("is no cursor of this query: leave it out to start at the first page", parameter="cursor")


@dataclass(frozen=True, slots=True)
class Walk:
    """What a cursor belongs to: a list of an organization with its filters and its order."""

    organization_id: str
    route: str
    filters: tuple[Any, ...] = ()

    @property
    def binding(self) -> bytes:
        """The same bytes for the same walk only."""
        return orjson.dumps([self.organization_id, self.route, self.filters])


class Place(NamedTuple):
    """Where a page begins: the walk's instant, as it was asked for, and the last item before."""

    as_of: int
    moment: str | None
    after: Position | None


def filters_of(query: PatientQuery) -> tuple[Any, ...]:
    """What of a query decides who is in the list and in which order; not how much is said."""
    return (sorted(query.risk_levels), sorted(query.actions), query.sort_by, query.include_dormant)


class Cursors:
    """Seals and opens cursors; gateways that share the secret open each other's."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(secret, _PURPOSE, "sha256"))

    def seal(self, walk: Walk, place: Place) -> str:
        """The cursor of the page that begins there; safe in a URL, different each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = orjson.dumps([place.as_of, place.moment, place.after])
        sealed = self._cipher.encrypt(nonce, plain, walk.binding)
        return _text(nonce + sealed)

    def open(self, cursor: str, walk: Walk, *, moment: Moment | None) -> Place:
        """Where the page begins; ends the request when the cursor belongs to another walk.

        `as_of` may be left out beside a cursor, or be what it was, or the instant of the walk.
        """
        try:
            raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            if _text(raw) != cursor:  # bits of the last character that no byte needs
                raise malformed(FOREIGN)
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], walk.binding)
        except (InvalidTag, ValueError, binascii.Error, UnicodeEncodeError):
            raise malformed(FOREIGN) from None
        as_of, asked_for, after = orjson.loads(plain)
        if moment is not None and moment.text != asked_for and moment.instant != as_of:
            raise malformed(Flaw("must be left out or unchanged beside a cursor", parameter="as_of"))
        return Place(as_of, asked_for, tuple(after))


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
