"""Reads Cliniko's REST API: politely, one request after another, and trusting no answer.

Facts about the API and how sure they are: reference cliniko-api.md, sections 1 and 2.
"""

import asyncio
import random
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpx

from ingestor.answers import BusyError, body_of, told_pause
from ingestor.errors import (
    ForeignLinkError,
    NotFilterableError,
    NotThereError,
    UnavailableError,
)
from rules.instants import SECOND, from_datetime, plausible
from shared.clock import Clock
from shared.logs import log_of

PER_PAGE = 100
"""The most that Cliniko gives."""

TIMEOUT_SECONDS = 20.0
"""Of one request; lists of busy accounts are slow."""

ATTEMPTS = 6
"""Of one request that fails with 5xx, a timeout or nonsense: half a minute of pauses in all."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0

ATTEMPTS_WHEN_BUSY = 10
"""Of one request that is answered with 429, and waits as it was told."""

LONGEST_TOLD_PAUSE_SECONDS = 120.0
"""No wait that Cliniko asks for is believed beyond this."""

_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/?")
"""No list of Cliniko's needs more. Segments of dots, escapes and backslashes could lead out of the API: who resolves
which of them, and when, differs between clients, proxies and servers."""

_log = log_of("cliniko")


class Budget(Protocol):
    """How often the key may be used (`shared.budget`)."""

    async def take(self) -> None:
        """Returns when one request may be made."""
        ...

    async def hold(self, seconds: float) -> None:
        """Admits nobody for so long."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of a list, as Cliniko's JSON; `read_at` is when they were asked for."""

    items: Sequence[Any]
    total: int | None
    read_at: int


@dataclass(frozen=True, slots=True)
class Question:
    """A list and its filters: `path` below the API's base, `key` of the records in the answer."""

    path: str
    key: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    body: Mapping[str, Any]
    read_at: int


class Cliniko:
    """Cliniko as one API key sees it.

    `may_ask` is called before every request and raises when the key must not be used any more.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        api_key: str,
        contact_email: str,
        budget: Budget,
        clock: Clock,
        may_ask: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._origin = _origin(self._base)
        self._headers = {
            "Authorization": f"Basic {b64encode(f'{api_key}:'.encode()).decode()}",
            "Accept": "application/json",
            "User-Agent": f"Reengage ({contact_email})",
        }
        self._budget = budget
        self._clock = clock
        self._may_ask = may_ask
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self.requests = 0
        self.server_time: int | None = None
        """What Cliniko's `Date` said last."""

    async def pages(self, question: Question) -> AsyncGenerator[Page, None]:
        """The list's pages, one after the other, in Cliniko's order of creation.

        Raises NotThereError and NotFilterableError with the first page only.
        """
        url: str | None = self._first(question)
        seen: set[str] = set()
        while url is not None:
            try:
                answer = await self._get(url, question.path)
            except (NotThereError, NotFilterableError) as fault:
                if seen:
                    raise UnavailableError(f"{fault}, though it had earlier pages") from fault
                raise
            items = answer.body.get(question.key)
            if not isinstance(items, list):
                raise UnavailableError(f"Cliniko's answer to {question.path} holds no list")
            total = answer.body.get("total_entries")
            yield Page(items, total if isinstance(total, int) else None, answer.read_at)
            seen.add(url)
            url = self._next(answer.body, question.path)
            if url in seen:
                raise UnavailableError(f"the pages of {question.path} lead round in a circle")

    async def record(self, resource: str, record_id: str, filters: Sequence[str] = ()) -> Page | None:
        """One record by id, on a page of its own; None only when Cliniko says 404."""
        path = f"/{resource}/{quote(record_id, safe='')}"
        url = _url(self._base + path, [("q[]", each) for each in filters])
        try:
            answer = await self._get(url, f"/{resource}/{{id}}")
        except NotThereError:
            return None
        return Page([answer.body], None, answer.read_at)

    def _first(self, question: Question) -> str:
        pairs = [("per_page", str(PER_PAGE)), *(("q[]", each) for each in question.filters)]
        return _url(self._base + question.path, pairs)

    def _next(self, body: Mapping[str, Any], path: str) -> str | None:
        links = body.get("links")
        url = links.get("next") if isinstance(links, Mapping) else None
        if not url:
            return None
        if not isinstance(url, str) or not _is_url(url):
            raise ForeignLinkError(f"a page of {path} links to a next page that is no URL")
        if not self._is_ours(url):
            raise ForeignLinkError(f"a page of {path} links to a next one outside of {self._base}")
        return url

    def _is_ours(self, url: str) -> bool:
        try:
            if _origin(url) != self._origin or not url.startswith(f"{self._base}/"):
                return False
        except ValueError:
            return False
        below = url.removeprefix(self._base).partition("?")[0].partition("#")[0]
        return _PLAIN_PATH.fullmatch(below) is not None

    async def _get(self, url: str, path: str) -> _Answer:
        """What Cliniko answers; waits and tries again where that may help.

        `path` is what messages may show of the URL: no ids, no query.
        """
        async with self._turn:
            return await self._get_in_turn(url, path)

    async def _get_in_turn(self, url: str, path: str) -> _Answer:
        failed = busy = 0
        while True:
            await self._budget.take()
            self._may_ask()
            read_at = self._clock.now()
            self.requests += 1
            try:
                response = await self._http.get(url, headers=self._headers)
                self._note_time(response)
                return _Answer(body_of(response, path), read_at)
            except BusyError as told:
                busy += 1
                if busy >= ATTEMPTS_WHEN_BUSY:
                    raise UnavailableError(f"Cliniko answers {path} with 429 again and again") from None
                await self._wait_as_told(told.response, path)
            except (httpx.TransportError, httpx.DecodingError, UnavailableError) as fault:
                failed += 1
                if failed >= ATTEMPTS:
                    raise _gave_up(fault, path) from fault
                pause = _pause(failed)
                _log.warning("trying again", path=path, error=fault, waited=pause, attempt=failed)
                await self._sleep(pause)

    def _note_time(self, response: httpx.Response) -> None:
        try:
            self.server_time = plausible(from_datetime(parsedate_to_datetime(response.headers["date"])))
        except (KeyError, ValueError, TypeError, OverflowError):
            self.server_time = None

    async def _wait_as_told(self, response: httpx.Response, path: str) -> None:
        now = self._clock.now() if self.server_time is None else self.server_time
        told = told_pause(response.headers, now / SECOND)
        pause = min(max(told, 0.0), LONGEST_TOLD_PAUSE_SECONDS) + random.uniform(0.1, 1.0)  # noqa: S311
        _log.warning("Cliniko asks to wait", path=path, status=429, waited=pause)
        await self._budget.hold(pause)
        await self._sleep(pause)


def _pause(failed: int) -> float:
    longest = min(FIRST_PAUSE_SECONDS * 2**failed, LONGEST_PAUSE_SECONDS)
    return random.uniform(longest / 2, longest)  # noqa: S311


def _gave_up(fault: Exception, path: str) -> UnavailableError:
    if isinstance(fault, UnavailableError):
        return fault
    return UnavailableError(f"Cliniko does not answer {path}: {type(fault).__name__}")


def _url(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    return str(httpx.URL(url, params=pairs))


def _is_url(text: str) -> bool:
    try:
        httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    return True


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    if parts.username or parts.password:
        raise ValueError("credentials in a URL")
    return parts.scheme, parts.hostname, port
