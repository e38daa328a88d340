"""Outreach events by HTTP: what a request holds, and which of it can be accepted."""

import asyncio
import json
from typing import NoReturn

from starlette.requests import ClientDisconnect, Request

from api_gateway.errors import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    TIMED_OUT,
    UNSUPPORTED_MEDIA_TYPE,
    Flaw,
    ProblemError,
    malformed,
)
from shared.kafka import Outgoing
from shared.outreach import DECODER, InvalidEvent, parse_outreach_event
from shared.topics import OUTREACH_EVENTS

MAX_BODY_BYTES = 1024 * 1024
MAX_EVENTS = 1_000
MAX_ID = 500
MEDIA_TYPES = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")

RECORD_HEADERS = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
"""What CloudEvents asks of structured events in Kafka."""

_NOT_JSON = Flaw("must be JSON in UTF-8", pointer="#")

_TOO_DEEP = Flaw("is nested too deep", pointer="#")

_WRONG_COUNT = Flaw(f"must hold 1 to {MAX_EVENTS} events", pointer="#")


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


# Numbers stay text: only where a value ends is of interest here.
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)
_SPACE = " \t\r\n"
_SPACES = frozenset(_SPACE)


def check_media_type(request: Request) -> None:
    """Ends the request with 415 unless its body is one of the three, in UTF-8, as it is."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = [
        value.strip(' "').lower()
        for name, _, value in (parameter.partition("=") for parameter in parameters.split(";"))
        if name.strip().lower() == "charset"
    ]
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if (
        media_type.strip().lower() not in MEDIA_TYPES
        or any(name not in {"utf-8", "utf8"} for name in charset)
        or encoding != "identity"
    ):
        raise ProblemError(UNSUPPORTED_MEDIA_TYPE, headers={"accept-post": ", ".join(MEDIA_TYPES)})


async def read_body(request: Request, *, seconds: float) -> bytes:
    """The body; ends the request when it exceeds 1 MiB or takes longer than `seconds` to arrive."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise ProblemError(BODY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ProblemError(BODY_TOO_LARGE)
    except TimeoutError:
        raise ProblemError(TIMED_OUT, headers={"connection": "close"}) from None
    except ClientDisconnect:
        raise ProblemError(BAD_REQUEST) from None
    return bytes(body)


def split(body: bytes) -> tuple[list[bytes], bool]:
    """The events of a body, each byte for byte as it was sent, and whether they came as an array.

    Ends the request unless there are 1 to 1,000. Of each it is known only that it is JSON. Taking the
    text apart, rather than writing parsed values anew, keeps what a publisher wrote: large numbers, the
    order of fields, fields unknown to us.
    """
    try:
        text = body.decode().strip(_SPACE)
        if text.startswith("["):
            return _elements(text), True
        _, end = _SCANNER.raw_decode(text)
        if end != len(text):
            raise malformed(_NOT_JSON)
    except RecursionError:
        raise malformed(_TOO_DEEP) from None
    except ValueError:
        raise malformed(_NOT_JSON) from None
    if not text.startswith("{"):
        raise malformed(Flaw("must be an event or an array of events", pointer="#"))
    return [text.encode()], False


def _elements(text: str) -> list[bytes]:
    elements: list[bytes] = []
    position = _after_space(text, 1)
    while text[position : position + 1] != "]":
        if len(elements) == MAX_EVENTS:
            raise malformed(_WRONG_COUNT)
        if elements:
            if text[position : position + 1] != ",":
                raise malformed(_NOT_JSON)
            position = _after_space(text, position + 1)
        _, end = _SCANNER.raw_decode(text, position)
        elements.append(text[position:end].encode())
        position = _after_space(text, end)
    if position != len(text) - 1:
        raise malformed(_NOT_JSON)
    if not elements:
        raise malformed(_WRONG_COUNT)
    return elements


def _after_space(text: str, position: int) -> int:
    while text[position : position + 1] in _SPACES:
        position += 1
    return position


def judge(event: bytes, *, organization_id: str, received_at: int) -> Outgoing:
    """The record to publish; raises InvalidEvent with reasons that quote nothing."""
    report = parse_outreach_event(event, received_at=received_at, key=None)
    if report.organization_id != organization_id:
        raise InvalidEvent([("/data/organization_id", "must be the organization of the path")])
    return Outgoing(OUTREACH_EVENTS, report.key, event, RECORD_HEADERS)


def id_of(event: bytes) -> str | None:
    """An event's own id, so that its publisher finds it again; None where it has no valid one."""
    try:
        found = DECODER.decode(event.decode())["id"]
        return found if isinstance(found, str) and 0 < len(found.encode()) <= MAX_ID else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
