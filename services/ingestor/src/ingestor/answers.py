"""What an answer of Cliniko means, by its status; no body is trusted to be JSON."""

import math
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from ingestor.errors import ClinikoError, NotFilterableError, NotThereError, RefusedError, UnavailableError

LARGEST_ANSWER_BYTES = 64 * 1024 * 1024


class BusyError(Exception):
    def __init__(self, response: httpx.Response) -> None:
        self.response = response


def body_of(response: httpx.Response, path: str) -> Mapping[str, Any]:
    status = response.status_code
    if status == 429:
        raise BusyError(response)
    if status in (401, 403):
        raise RefusedError(status, path)
    if status == 404:
        raise NotThereError(f"Cliniko has no {path}")
    if status == 400:
        raise NotFilterableError(f"Cliniko does not take this question to {path}")
    if status >= 500 or status == 408:
        raise UnavailableError(f"Cliniko answers {path} with {status}")
    if status != 200:
        raise ClinikoError(f"Cliniko answers {path} with {status}")
    if len(response.content) > LARGEST_ANSWER_BYTES:
        raise ClinikoError(f"Cliniko's answer to {path} is too large")
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise UnavailableError(f"Cliniko's answer to {path} is no JSON") from None
    if not isinstance(body, dict):
        raise UnavailableError(f"Cliniko's answer to {path} is no JSON object")
    return body


def told_pause(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait after a 429: X-RateLimit-Reset, else Retry-After, else a minute; below 0 when it is over.

    A header that is no finite number from 0 on counts as none.
    """
    for name, since in (("x-ratelimit-reset", now), ("retry-after", 0.0)):
        try:
            told = float(headers[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(told) and told >= 0:
            return told - since
    return 60.0
