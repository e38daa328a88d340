"""Which organizations there are, how each wants its numbers, and where its Cliniko is.

The operator's program alone writes `reengage.organizations`; every service reads it here.
"""

import hashlib
import ipaddress
import json
import re
import time
import zoneinfo
from collections.abc import AsyncIterator, Callable, Mapping, Set
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

ORGANIZATION_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}")
"""To be matched fully; `.` and `..` are left out: they would mean something else in a URL."""

CLINIKO_REQUESTS_PER_MINUTE = 200
"""The most that Cliniko allows to one user, and so to one API key."""

ALL_OTHER_TYPES = "*"
FOLLOWUP_DAYS = 28

LONGEST_DAYS = 36_500
"""A century: what is added to a calendar day stays a day that Python can show."""

LONGEST_INTERVAL = 31_536_000
"""Seconds between two synchronizations: a year."""

MOST_REQUESTS = 1_000_000
"""A minute, of a sandbox: more than any machine serves, and a number that can be stored."""

CACHE_SECONDS = 1.0

NOT_READ_BY_RULES = frozenset({"sync_interval", "cliniko_requests_per_minute"})
"""Every other setting is part of what the numbers mean, `benchmark_source` as shown beside them."""

_NOT_IANA = frozenset({"Factory", "localtime", "posixrules", "posix", "right"})


def _existing_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such IANA time zone, such as Australia/Sydney") from None
    if name.split("/")[0] in _NOT_IANA:
        raise ValueError("no such IANA time zone, such as Australia/Sydney")
    return name


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        raise ValueError('expected a JSON object, such as {"Initial": 14, "*": 28}') from None


def _all_types_covered(days: dict[str, int]) -> dict[str, int]:
    return {ALL_OTHER_TYPES: FOLLOWUP_DAYS} | days


Days = Annotated[int, Field(gt=0, le=LONGEST_DAYS)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class OrganizationSettings(BaseModel):
    """What an organization can choose; the meaning of each stands in definitions.md.

    Reads typed values as well as text (`followup_days` as JSON), as an operator types them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    time_zone: Annotated[str, AfterValidator(_existing_zone)]
    active_window_days: Days = 365
    require_arrival_mark: bool = False
    industry_avg_contact_rate: Percent = 55.0
    industry_avg_conversion: Percent = 68.0
    benchmark_source: Annotated[str, Field(max_length=500)] = (
        "Preset figures from the product's requirements, not a measured average: set your own."
    )
    followup_days: Annotated[
        dict[str, Annotated[int, Field(strict=True, gt=0, le=LONGEST_DAYS)]],
        BeforeValidator(_from_json),
        AfterValidator(_all_types_covered),
    ] = Field(default_factory=lambda: {ALL_OTHER_TYPES: FOLLOWUP_DAYS})
    retry_after_days: Days = 7
    sync_interval: Annotated[int, Field(gt=0, le=LONGEST_INTERVAL)] | None = None
    """Seconds; None: SYNC_INTERVAL of the ingestor."""
    cliniko_requests_per_minute: Annotated[int, Field(gt=0, le=MOST_REQUESTS)] = CLINIKO_REQUESTS_PER_MINUTE

    def read_by_rules(self) -> dict[str, Any]:
        """The settings that the numbers depend on: a change of one raises `settings_revision`."""
        return self.model_dump(exclude=set(NOT_READ_BY_RULES))


def on_loopback(url: str) -> bool:
    """Whether the URL's host is this machine's loopback interface."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_base_url(url: str) -> str:
    """The base URL without a slash at its end; ValueError unless https, or http on loopback."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("expected a URL such as https://api.au1.cliniko.com/v1")
    if parts.scheme != "https" and not (parts.scheme == "http" and on_loopback(url)):
        raise ValueError("must be https; plain http is for loopback addresses only")
    return url.rstrip("/")


class ClinikoAccess(BaseModel):
    """How the organization's Cliniko is reached; `key` is sealed (`shared.identity`)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    base_url: Annotated[str, AfterValidator(checked_base_url)]
    key: str
    key_hash: str
    contact_email: str

    @property
    def stored_key(self) -> str:
        """Another one whenever a key is stored, be it the same key: an operator who stores it wants it tried."""
        return hashlib.sha256(self.key.encode()).hexdigest()


class Organization(BaseModel):
    """One document of `reengage.organizations`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True)

    id: Annotated[str, Field(alias="_id")]
    name: str
    settings: OrganizationSettings
    settings_revision: int
    cliniko: ClinikoAccess
    created_at: datetime
    added_again_at: datetime | None = None
    """When the id of a removed organization was used again: what was told of it before is another clinic's."""
    removed_at: datetime | None = None

    @field_validator("created_at", "added_again_at", "removed_at")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The organization of a stored document; settings it lacks have their defaults."""
        return cls.model_validate(document)

    def document(self) -> dict[str, Any]:
        """What is stored, with every setting filled in."""
        return self.model_dump(by_alias=True)

    @property
    def requests_per_minute(self) -> int:
        """How often Cliniko may be asked: never above its own limit but on loopback."""
        wanted = self.settings.cliniko_requests_per_minute
        if on_loopback(self.cliniko.base_url):
            return wanted
        return min(wanted, CLINIKO_REQUESTS_PER_MINUTE)


class Collection(Protocol):
    """What is asked of `reengage.organizations` (`shared.mongo.Collection`)."""

    def find(self, filter: Mapping[str, Any], /) -> AsyncIterator[Mapping[str, Any]]: ...  # noqa: A002


class OrganizationDirectory:
    """Looks organizations up; one that was found is remembered for a second.

    An unknown id is asked for anew each time: an organization is known the moment it is added.
    """

    def __init__(self, organizations: Collection, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._organizations = organizations
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, Organization]] = {}

    async def find(self, organization_id: str) -> Organization | None:
        """The organization; None when there is none of that id, or it was removed."""
        return (await self.find_all({organization_id})).get(organization_id)

    async def find_all(self, ids: Set[str]) -> dict[str, Organization]:
        """Those of them that there are and that were not removed, by id."""
        now = self._monotonic()
        found = {one: known[1] for one in ids if (known := self._found.get(one)) and known[0] > now}
        asked = sorted(one for one in ids - found.keys() if ORGANIZATION_ID.fullmatch(one))
        for organization_id in asked:
            self._found.pop(organization_id, None)
        if asked:
            async for document in self._organizations.find({"_id": {"$in": asked}, "removed_at": None}):
                organization = Organization.of(document)
                found[organization.id] = organization
                self._found[organization.id] = (now + CACHE_SECONDS, organization)
        return found

    async def active(self) -> list[Organization]:
        """All organizations that were not removed, as stored now, in no order."""
        found = self._organizations.find({"removed_at": None})
        return [Organization.of(document) async for document in found]

    async def removed(self) -> list[Organization]:
        """All organizations that were removed: what is held of them is to be purged."""
        found = self._organizations.find({"removed_at": {"$ne": None}})
        return [Organization.of(document) async for document in found]
