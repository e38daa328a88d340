"""The Cliniko side: what comes in under /v1, and what goes out."""

import base64
import binascii
import math
import time
from email.utils import format_datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from support.sandbox import bookings, questions, writes
from support.sandbox.catalog import RESOURCES
from support.sandbox.clinic import Clinic
from support.sandbox.faults import CutResponse, Fault
from support.sandbox.lists import encode
from support.sandbox.refusals import Refused, bad_request, no_such_page
from support.sandbox.request_log import Asked
from support.sandbox.state import Sandbox, without_shard

_RECALLS = ("recalls", "recall_types")


class ClinikoApi:
    """The ASGI program that answers as Cliniko does, for whichever clinic the key opens."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and note it in the log."""
        request = Request(scope, receive)
        at, began = self._sandbox.clock(), time.perf_counter()
        key = _key(request)
        fault: Fault | None = None
        try:
            clinic = self._admit(request, key, at.timestamp())
            fault = self._sandbox.faults[str(key)].next(request.method, _target(request))
            if fault is not None and fault.delay > 0:
                await self._sandbox.sleep(fault.delay)
            if fault is not None and fault.status is not None:
                raise _refusal(fault, at.timestamp())
            response = await _answer(clinic, request)
        except Refused as refused:
            response = _refused(refused)
        if fault is not None and fault.cut:
            response = CutResponse(response)
        response.headers["date"] = format_datetime(at, usegmt=True)
        self._note(request, key, at.timestamp(), response, fault, began)
        await response(scope, receive, send)

    def _admit(self, request: Request, key: str | None, now: float) -> Clinic:
        """Return the clinic that the caller may use. Raises Refused (400, 401, 429)."""
        clinic = None if key is None else self._sandbox.clinics.get(key)
        if key is None or clinic is None:
            raise Refused(401, {"message": "Unauthorized"})
        if not request.headers.get("user-agent"):
            raise Refused(400, "Requires a user agent")
        limit = clinic.options.requests_per_minute
        reset = self._sandbox.limit.take(key, now=now, limit=limit)
        if reset is not None:
            raise _too_many(reset)
        return clinic

    def _note(
        self,
        request: Request,
        key: str | None,
        at: float,
        response: Response,
        fault: Fault | None,
        began: float,
    ) -> None:
        peer = f"{request.client.host}:{request.client.port}" if request.client else ""
        self._sandbox.log.add(
            Asked(
                at=at,
                key=key,
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                status=response.status_code,
                fault=fault is not None,
                user_agent=request.headers.get("user-agent", ""),
                client=request.headers.get("x-client", ""),
                peer=peer,
                took_ms=round((time.perf_counter() - began) * 1000, 3),
            )
        )


def _key(request: Request) -> str | None:
    """Return the API key of Basic credentials with an empty password, without its shard."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return without_shard(user) if colon and not password else None


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _too_many(reset: float) -> Refused:
    headers = {"X-RateLimit-Reset": str(math.ceil(reset))}
    return Refused(429, {"message": "Too many requests"}, headers)


def _refusal(fault: Fault, now: float) -> Refused:
    status = fault.status or 500
    if status == 429:
        return _too_many(now + fault.reset_in)
    if status >= 500:
        return Refused(status, f"<!DOCTYPE html><html><body>{status}</body></html>")
    return Refused(status, {"message": f"Injected {status}"})


def _refused(refused: Refused) -> Response:
    headers = dict(refused.headers)
    if isinstance(refused.body, str):
        return HTMLResponse(refused.body, refused.status, headers)
    return _json(orjson.dumps(refused.body), refused.status, headers)


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json; charset=utf-8")


async def _answer(clinic: Clinic, request: Request) -> Response:
    """Return the answer of a clinic to a request. Raises Refused."""
    path = request.url.path.removeprefix("/v1")
    parts = path.strip("/").split("/")
    base_url = f"{request.url.scheme}://{request.headers.get('host', 'localhost')}/v1"
    if parts[0] in _RECALLS and not clinic.options.recalls:
        raise no_such_page()
    if request.method in ("GET", "HEAD"):
        return _json(encode(_read(clinic, parts, request.url.query, path), base_url))
    written = await _body(request)
    made = _write(clinic, "PATCH" if request.method == "PUT" else request.method, parts, written)
    if made is None:
        return Response(status_code=204)
    status, kind, record_id = made
    body = clinic.body(kind, record_id)
    headers = {"Location": f"{base_url}/{kind}/{record_id}"} if status == 201 else {}
    return _json(encode(body, base_url), status, headers)


def _read(clinic: Clinic, parts: list[str], query: str, path: str) -> Any:
    match parts:
        case ["user"]:
            return questions.user()
        case ["bookings"]:
            return bookings.listed(clinic, query, path)
        case ["bookings", booking_id]:
            return bookings.single(clinic, booking_id, query)
        case ["patients", "deleted"]:
            return questions.listed_tombstones(clinic, query, path)
        case ["practitioners", "inactive"]:
            return questions.listed_inactive(clinic, query, path)
        case ["patient_cases", "active"]:
            return questions.listed_active_cases(clinic, query, path)
        case ["patients", patient_id, "referral_source"]:
            source = questions.referral_source(clinic, patient_id)
            return questions.single(clinic, "referral_sources", source, query)
        case [kind] if kind in RESOURCES:
            return questions.listed(clinic, kind, query, path)
        case [kind, record_id] if kind in RESOURCES:
            return questions.single(clinic, kind, record_id, query)
        case [("individual_appointments" | "group_appointments") as kind, record_id, "conflicts"]:
            clinic.find(kind, record_id)
            return {"conflicts": {"exist": False}}
        case [parent, record_id, kind] if parent in RESOURCES:
            return questions.listed_under(clinic, parent, record_id, kind, query, path)
    raise no_such_page()


def _write(clinic: Clinic, method: str, parts: list[str], written: dict[str, Any]) -> tuple[int, str, str] | None:
    """Make a change and return (status, kind, id) of what to show, None for nothing."""
    match (method, *parts):
        case ("PATCH", "patients", patient_id, "referral_source"):
            source = questions.referral_source(clinic, patient_id)
            writes.update(clinic, "referral_sources", source, written)
            return 200, "referral_sources", source
        case ("POST", kind) if kind in writes.CREATABLE:
            return 201, kind, writes.create(clinic, kind, written)
        case ("PATCH", kind, record_id) if kind in writes.CREATABLE:
            writes.update(clinic, kind, record_id, written)
            return 200, kind, record_id
        case ("PATCH", kind, record_id, "cancel") if kind in writes.CANCELLABLE:
            writes.cancel(clinic, kind, record_id, written)
            return None
        case ("DELETE", kind, record_id) | ("POST", kind, record_id, "archive") if kind in writes.CREATABLE:
            clinic.archive(kind, record_id)
            return None
        case ("POST", "patients", record_id, "unarchive"):
            clinic.update("patients", record_id, {"archived_at": None})
            return 200, "patients", record_id
        case _:
            raise no_such_page()


async def _body(request: Request) -> dict[str, Any]:
    """Return the request's JSON object, {} for none. Raises Refused (400)."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        written = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise bad_request("The body must be JSON") from None
    if not isinstance(written, dict):
        raise bad_request("The body must be a JSON object")
    return written
