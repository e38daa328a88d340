"""Publishes outreach events through the gateway, for systems without access to Kafka."""

import json
from asyncio import sleep
from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from reengage_publisher.errors import PublishError, RejectedError
from reengage_publisher.events import Event, encoded
from reengage_publisher.reporting import SOURCE, Reporter, utc_now

LARGEST_BATCH = 1_000
LARGEST_BATCH_BYTES = 1024 * 1024
_LONGEST_PAUSE = 10.0
_TRY_AGAIN = {429, 500, 502, 503, 504}


class HttpOutreachPublisher(Reporter):
    """Reports outreach outcomes by HTTP: `async with HttpOutreachPublisher(gateway, token) as publisher`.

    The same calls as OutreachPublisher. What is no fault of the event (no connection, 429, 5xx) is
    tried again, `attempts` times in all, with growing pauses or as told by Retry-After.
    """

    def __init__(
        self,
        gateway: str,
        token: str,
        *,
        source: str = SOURCE,
        attempts: int = 5,
        timeout: float = 15.0,
        now: Callable[[], datetime] = utc_now,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        """`gateway` such as https://reengage.example, `token` of the role publisher or staff."""
        super().__init__(source, now)
        self._gateway = gateway.rstrip("/")
        self._attempts = attempts
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
        self._client = client or httpx.AsyncClient(timeout=timeout)

    async def close(self) -> None:
        """Disconnects."""
        await self._client.aclose()

    async def send(self, events: Iterable[Event]) -> list[str]:
        """Publishes events of one or several organizations; returns their ids.

        Raises RejectedError when any of them is refused: all others were accepted then.
        """
        told = list(events)
        details: list[str] = []
        status = 0
        for organization_id, batch in _batches(told):
            refused, answer = await self._post(organization_id, batch)
            if refused:
                status = status or answer
                details += refused
        if details:
            raise RejectedError(status, details)
        return [event["id"] for event in told]

    async def _post(self, organization_id: str, batch: list[Event]) -> tuple[list[str], int]:
        url = f"{self._gateway}/api/v1/outreach/{quote(organization_id, safe='')}/events"
        body = b"[" + b",".join(map(encoded, batch)) + b"]"
        problem, pause = "not tried", 0.0
        for attempt in range(self._attempts):
            await sleep(pause)
            pause = min(0.25 * 2**attempt, _LONGEST_PAUSE)
            try:
                response = await self._client.post(url, content=body, headers=self._headers)
            except httpx.TransportError as fault:
                problem = f"no answer from the gateway: {type(fault).__name__}"
                continue
            if response.status_code not in _TRY_AGAIN:
                return _refusals(response), response.status_code
            problem = f"the gateway answered {response.status_code}"
            pause = _told_pause(response) or pause
        raise PublishError(f"{problem}, {self._attempts} times")


def _batches(events: list[Event]) -> Iterable[tuple[str, list[Event]]]:
    """The events by organization, each batch within what one request may hold."""
    by_organization: dict[str, list[Event]] = {}
    for event in events:
        by_organization.setdefault(event["data"]["organization_id"], []).append(event)
    for organization_id, own in by_organization.items():
        batch: list[Event] = []
        size = 2
        for event in own:
            grown = len(encoded(event)) + 1
            if batch and (len(batch) == LARGEST_BATCH or size + grown > LARGEST_BATCH_BYTES):
                yield organization_id, batch
                batch, size = [], 2
            batch.append(event)
            size += grown
        yield organization_id, batch


def _refusals(response: httpx.Response) -> list[str]:
    """What the gateway refused, in words without values; empty: nothing."""
    try:
        answer: Any = response.json()
    except json.JSONDecodeError:
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    if response.status_code == HTTPStatus.ACCEPTED:
        return [str(one.get("detail", "refused")) for one in answer.get("rejected", [])]
    refused = answer.get("rejected") or answer.get("errors") or []
    details = [str(one.get("detail", "refused")) for one in refused]
    return details or [str(answer.get("title", "refused"))]


def _told_pause(response: httpx.Response) -> float | None:
    told = response.headers.get("retry-after", "")
    return min(float(told), _LONGEST_PAUSE) if told.isdecimal() else None
