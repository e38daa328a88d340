"""What happens to an organization: added, changed, given another key."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from reengage.cliniko import Access
from reengage.control import Control
from reengage.failures import CommandError, WrongUsageError
from shared.identity import KeySealer
from shared.organizations import (
    CLINIKO_REQUESTS_PER_MINUTE,
    LONGEST_DAYS,
    LONGEST_INTERVAL,
    MOST_REQUESTS,
    ORGANIZATION_ID,
    ClinikoAccess,
    Organization,
    OrganizationSettings,
    on_loopback,
)

LONGEST_NAME = 200

_DAYS = f"a whole number of days from 1 to {LONGEST_DAYS}"

MUST_BE = {
    "time_zone": "an IANA time zone, such as Australia/Sydney",
    "active_window_days": f"{_DAYS}, such as 365",
    "require_arrival_mark": "true or false",
    "industry_avg_contact_rate": "a percentage from 0 to 100, such as 55.0",
    "industry_avg_conversion": "a percentage from 0 to 100, such as 68.0",
    "benchmark_source": "text of at most 500 characters",
    "followup_days": (
        f'a JSON object that gives {_DAYS} to names of appointment types, "*" for all others,'
        """ such as '{"Initial": 14, "*": 28}'"""
    ),
    "retry_after_days": f"{_DAYS}, such as 7",
    "sync_interval": f"a whole number of seconds from 1 to {LONGEST_INTERVAL} (a year), such as 300",
    "cliniko_requests_per_minute": f"a whole number from 1 to {MOST_REQUESTS}, such as {CLINIKO_REQUESTS_PER_MINUTE}",
}
"""What each setting may be, as an operator is told."""


async def load(control: Control, organization_id: str, *, removed_too: bool = False) -> Organization:
    """The organization; CommandError when there is none, or it was removed."""
    document = await control.collection("organizations").find_one({"_id": organization_id})
    if document is None:
        raise CommandError(f"no organization {organization_id!r}: `reengage org list` shows those there are")
    organization = Organization.of(document)
    if organization.removed_at and not removed_too:
        raise CommandError(f"{organization_id} was removed: `reengage org add {organization_id} …` begins anew")
    return organization


async def load_all(control: Control, *, removed_too: bool = False) -> list[Organization]:
    """All organizations by id."""
    query = {} if removed_too else {"removed_at": None}
    found = control.collection("organizations").find(query, sort=[("_id", 1)])
    return [Organization.of(document) async for document in found]


def checked_id(text: str) -> str:
    """The id; WrongUsageError when it is none."""
    if not ORGANIZATION_ID.fullmatch(text):
        raise WrongUsageError("ORG is 1 to 64 letters, digits, '_', '.' or '-', and not . or ..")
    return text


def checked_name(text: str) -> str:
    """The name; WrongUsageError when it is empty or very long."""
    if not text.strip() or len(text) > LONGEST_NAME:
        raise WrongUsageError(f"--name is 1 to {LONGEST_NAME} characters")
    return text.strip()


def checked_settings(values: Mapping[str, Any], base_url: str) -> OrganizationSettings:
    """The settings; WrongUsageError names each value that is wrong, and what is right."""
    try:
        settings = OrganizationSettings.model_validate(values)
    except ValidationError as invalid:
        wrong = dict.fromkeys(str(error["loc"][0]) for error in invalid.errors())
        raise WrongUsageError("; ".join(f"{key} must be {MUST_BE[key]}" for key in wrong)) from None
    if settings.cliniko_requests_per_minute > CLINIKO_REQUESTS_PER_MINUTE and not on_loopback(base_url):
        raise WrongUsageError(
            f"cliniko_requests_per_minute: at most {CLINIKO_REQUESTS_PER_MINUTE}, as Cliniko allows;"
            " more only for a base URL on loopback"
        )
    return settings


def exists_already(organization_id: str) -> CommandError:
    """Why an organization cannot be added."""
    return CommandError(
        f"{organization_id} exists already: change it with `reengage org set`, its key with `reengage org set-key`,"
        " or remove it first with `reengage org remove`"
    )


async def add(
    control: Control,
    *,
    organization_id: str,
    name: str,
    settings: OrganizationSettings,
    access: Access,
    sealer: KeySealer,
    revision: int,
) -> Organization:
    """Stores a new organization, or one that was removed; CommandError when somebody was faster."""
    now = control.now()
    organization = Organization(
        id=organization_id,
        name=name,
        settings=settings,
        settings_revision=revision,
        cliniko=_sealed(access, organization_id, sealer),
        created_at=now,
        added_again_at=now if revision > 1 else None,
    )
    organizations = control.collection("organizations")
    try:
        await organizations.replace_one(
            {"_id": organization_id, "removed_at": {"$ne": None}}, organization.document(), upsert=True
        )
    except DuplicateKeyError:
        raise exists_already(organization_id) from None
    return organization


def _sealed(access: Access, organization_id: str, sealer: KeySealer) -> ClinikoAccess:
    return ClinikoAccess(
        base_url=access.base_url,
        key=sealer.seal(access.api_key, organization_id=organization_id),
        key_hash=access.key_hash,
        contact_email=access.contact_email,
    )


async def change(
    control: Control,
    organization: Organization,
    settings: Mapping[str, Any],
    *,
    name: str | None = None,
    contact_email: str | None = None,
) -> Organization:
    """Sets what is given and nothing else, so that two changes at once both hold.

    Each setting is checked together with the others that the organization has.
    """
    wanted = checked_settings({**organization.settings.model_dump(), **settings}, organization.cliniko.base_url)
    differs = wanted.read_by_rules() != organization.settings.read_by_rules()
    stored = wanted.model_dump()
    fields = {f"settings.{key}": stored[key] for key in settings}
    fields |= {"name": name} if name else {}
    fields |= {"cliniko.contact_email": contact_email} if contact_email else {}
    await _update(control, organization.id, {"$set": fields, "$inc": {"settings_revision": int(differs)}})
    return await load(control, organization.id)


async def set_key(control: Control, organization_id: str, access: Access, sealer: KeySealer) -> None:
    """Stores another API key; what was sealed before is not needed for it."""
    cliniko = _sealed(access, organization_id, sealer)
    await _update(control, organization_id, {"$set": {"cliniko": cliniko.model_dump()}})


async def reseal(control: Control, organization: Organization, sealer: KeySealer) -> bool:
    """Seals the API key with the active sealing key; False when it was so before.

    SealError when it cannot be opened. A key that was set meanwhile stays.
    """
    sealed = organization.cliniko.key
    if sealer.is_active(sealed):
        return False
    api_key = sealer.open(sealed, organization_id=organization.id)
    await control.collection("organizations").update_one(
        {"_id": organization.id, "cliniko.key": sealed},
        {"$set": {"cliniko.key": sealer.seal(api_key, organization_id=organization.id)}},
    )
    return True


async def _update(control: Control, organization_id: str, update: Mapping[str, Any]) -> None:
    query = {"_id": organization_id, "removed_at": None}
    if not (await control.collection("organizations").update_one(query, update)).matched_count:
        await load(control, organization_id)


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE arguments; an empty VALUE is the default. WrongUsageError on anything else."""
    known = OrganizationSettings.model_fields
    changes: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in known:
            raise WrongUsageError(f"{argument!r} is not KEY=VALUE with KEY one of {', '.join(known)}")
        if key in changes:
            raise WrongUsageError(f"{key} is given twice")
        default = known[key].get_default(call_default_factory=True)
        if not value and known[key].is_required():
            raise WrongUsageError(f"{key} has no default: give a value")
        changes[key] = value or default
    return changes
