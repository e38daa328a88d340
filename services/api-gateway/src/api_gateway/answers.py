"""Answers to reads: JSON with a weak ETag that stands as long as the numbers do."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api_gateway.ports import Body

STAMPS = frozenset(
    {
        "as_of",
        "timestamp",
        "last_updated",
        "last_sync_time",
        "last_full_sync_time",
        "last_started_at",
        "last_sync_date",
        "lag_seconds",
        "message",
        "next_cursor",
    }
)
"""Fields of a body that differ although its numbers are the same; a cursor is sealed anew each time."""

CACHE_CONTROL = "private, no-cache"
_TAG_BYTES = 16
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag_of(body: Mapping[str, Any]) -> str:
    """The weak entity tag of a body: the same until one of its numbers changes."""
    lasting = {name: value for name, value in body.items() if name not in STAMPS}
    lasting["next_cursor"] = body.get("next_cursor") is not None
    digest = hashlib.blake2b(orjson.dumps(lasting), digest_size=_TAG_BYTES)
    return f'W/"{digest.hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names the tag, by weak comparison, or any tag with `*`."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in _TAG.findall(if_none_match)


def answer(request: Request, body: Body) -> Response:
    """The body as JSON, or 304 when the client has these numbers already."""
    etag = etag_of(body)
    headers = {"etag": etag, "cache-control": CACHE_CONTROL, "vary": "Authorization"}
    if matches(", ".join(request.headers.getlist("if-none-match")) or None, etag):
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps(body), 200, headers, "application/json")
