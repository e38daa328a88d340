"""Is this API key good? Asked of Cliniko before a key is stored, within the key's budget."""

import getpass
import math
import re
import sys
from asyncio import sleep
from dataclasses import dataclass

import httpx

from reengage.control import Control
from reengage.failures import CommandError, WrongUsageError
from reengage.output import say
from reengage.surroundings import Surroundings
from shared.budget import RequestBudget
from shared.identity import DEFAULT_SHARD, hash_api_key, shard_of
from shared.organizations import (
    CLINIKO_REQUESTS_PER_MINUTE,
    Organization,
    checked_base_url,
    on_loopback,
)

TIMEOUT_SECONDS = 20.0
LONGEST_TOLD_PAUSE_SECONDS = 120.0

EMAIL_VARIABLE = "REENGAGE_CONTACT_EMAIL"
EMAIL_ON_LOOPBACK = "operator@reengage.invalid"
"""Nobody outside this machine is ever shown it."""

OFFICIAL_URL = re.compile(r"https://api\.[a-z]{2}\d{1,2}\.cliniko\.com/v1")

_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,63}")
_KEY = re.compile(r"[!-9;-~]{1,500}")
"""Visible ASCII without a colon: what Basic authentication can carry as a user name."""


@dataclass(frozen=True)
class Access:
    """An API key in the clear, and where it is to be used: never printed, never stored as it is."""

    api_key: str
    base_url: str
    contact_email: str

    def __repr__(self) -> str:
        return f"Access({self.base_url})"

    @property
    def key_hash(self) -> str:
        """What the key's budget is filed under."""
        return hash_api_key(self.api_key)


def access(api_key: str, base_url: str | None, contact_email: str | None, surroundings: Surroundings) -> Access:
    """The access that an operator described; `-` as key reads it from standard input."""
    if api_key == "-":
        api_key = read_key()
    if not _KEY.fullmatch(api_key):
        raise WrongUsageError("the API key is empty, or holds what no key holds: copy it from Cliniko once more")
    try:
        url = checked_base_url(base_url or official_url(api_key))
    except ValueError as fault:
        raise WrongUsageError(f"--cliniko-base-url: {fault}") from None
    return Access(api_key, url, _email(contact_email or surroundings.get(EMAIL_VARIABLE), url))


def read_key() -> str:
    """One line of standard input; a person at a terminal is asked, and does not see it."""
    if sys.stdin.isatty():
        return getpass.getpass("Cliniko API key: ", stream=sys.stderr).strip()
    return sys.stdin.readline().strip()


def official_url(api_key: str) -> str:
    """Where Cliniko answers to this key: the shard that it names, or the oldest one."""
    return f"https://api.{shard_of(api_key) or DEFAULT_SHARD}.cliniko.com/v1"


def _email(given: str | None, url: str) -> str:
    if given is None and on_loopback(url):
        return EMAIL_ON_LOOPBACK
    if given is None:
        raise WrongUsageError(f"Cliniko wants to know whom to write to: give --contact-email, or set {EMAIL_VARIABLE}")
    return checked_email(given)


def checked_email(text: str) -> str:
    """The address; WrongUsageError when it is none."""
    if not _EMAIL.fullmatch(text):
        raise WrongUsageError("--contact-email: expected an address such as it@clinic.example")
    return text


async def check_key(given: Access, control: Control) -> None:
    """Returns when Cliniko takes the key; CommandError says why it does not."""
    budget = RequestBudget(
        control.collection("request_budgets"), given.key_hash, per_minute=await _limit_of(given, control)
    )
    while wait := await budget.try_taking():
        say(f"the requests of this key are used up for now: waiting {math.ceil(wait)} s")
        await sleep(wait)
    headers = {"Accept": "application/json", "User-Agent": f"reengage ({given.contact_email})"}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            answer = await http.get(f"{given.base_url}/user", auth=(given.api_key, ""), headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise CommandError(
            f"{given.base_url} does not answer ({type(fault).__name__}): check the URL and the network, then try again"
        ) from None
    if answer.status_code == 429:
        pause = _told_pause(answer, control)
        await budget.hold(pause)
        raise CommandError(f"Cliniko has had enough requests with this key: try again in {math.ceil(pause)} s")
    if refusal := _refusal(answer, given.base_url):
        raise CommandError(refusal)


def _refusal(answer: httpx.Response, base_url: str) -> str | None:
    match answer.status_code:
        case 200 if _is_object(answer):
            return None
        case 401:
            return f"{base_url} refuses the API key: copy it whole, and mind the part after its last hyphen"
        case 403:
            return f"{base_url} knows the API key, but its user may not use the API: ask the clinic's administrator"
        case status if status >= 500:
            return f"{base_url} is not well (status {status}): try again later"
        case status:
            return f"{base_url} does not answer as Cliniko does (status {status}): check --cliniko-base-url"


def _is_object(answer: httpx.Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except ValueError:
        return False


def _told_pause(answer: httpx.Response, control: Control) -> float:
    try:
        reset = float(answer.headers["x-ratelimit-reset"])
    except (KeyError, ValueError):
        reset = math.nan
    told = reset - control.clock.now() / 1_000_000 if math.isfinite(reset) and reset >= 0 else 60.0
    return min(max(told, 1.0), LONGEST_TOLD_PAUSE_SECONDS)


async def _limit_of(given: Access, control: Control) -> int:
    """What organizations with the same key have agreed on; the most restrained of them counts."""
    query = {"cliniko.key_hash": given.key_hash, "cliniko.base_url": given.base_url}
    found = control.collection("organizations").find(query)
    agreed = [Organization.of(document).requests_per_minute async for document in found]
    return min(agreed, default=CLINIKO_REQUESTS_PER_MINUTE)
