"""`reengage org …`: the clinics that are connected, and their settings."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reengage.commands import AsJson, Org
from reengage.failures import WRONG_USAGE, WrongUsageError, run, stop
from reengage.output import print_fields, print_json, print_table, say

if TYPE_CHECKING:
    from shared.organizations import Organization

commands = typer.Typer(help="Organizations and their settings.", no_args_is_help=True)

Key = Annotated[str, typer.Option("--cliniko-api-key", metavar="KEY", help="Its API key; - asks for it.")]
BaseUrl = Annotated[str | None, typer.Option("--cliniko-base-url", metavar="URL", help="Default: the key's shard.")]
Email = Annotated[
    str | None,
    typer.Option("--contact-email", metavar="E", help="Told to Cliniko. Default: REENGAGE_CONTACT_EMAIL."),
]


@commands.command()
def add(
    org: Org,
    name: Annotated[str, typer.Option("--name", metavar="N", help="What people call it.")],
    time_zone: Annotated[str, typer.Option("--time-zone", metavar="IANA", help="Such as Australia/Sydney.")],
    cliniko_api_key: Key,
    cliniko_base_url: BaseUrl = None,
    contact_email: Email = None,
    as_json: AsJson = False,
) -> None:
    """Add an organization, once Cliniko has taken its key."""
    show_one(run(_add(org, name, time_zone, cliniko_api_key, cliniko_base_url, contact_email)), as_json)


async def _add(
    org: str, name: str, time_zone: str, api_key: str, base_url: str | None, contact_email: str | None
) -> "Organization":
    from reengage import cliniko
    from reengage import organizations as use
    from reengage.control import open_control
    from reengage.removal import ensure_addable
    from shared.identity import KeySealer

    use.checked_id(org)
    name = use.checked_name(name)
    async with open_control() as control:
        access = cliniko.access(api_key, base_url, contact_email, control.surroundings)
        settings = use.checked_settings({"time_zone": time_zone}, access.base_url)
        sealer = KeySealer.from_text(control.surroundings.encryption_keys)
        revision = await ensure_addable(control, org)
        await cliniko.check_key(access, control)
        return await use.add(
            control,
            organization_id=org,
            name=name,
            settings=settings,
            access=access,
            sealer=sealer,
            revision=revision,
        )


@commands.command("list")
def list_(
    removed_too: Annotated[bool, typer.Option("--all", help="Removed ones, too.")] = False, as_json: AsJson = False
) -> None:
    """List the organizations."""
    found = run(_list(removed_too))
    if as_json:
        print_json([view(organization) for organization in found])
    else:
        columns = ("organization", "name", "time zone", "Cliniko", "added", "removed")
        print_table(
            columns,
            [
                (each.id, each.name, each.settings.time_zone, each.cliniko.base_url, each.created_at, each.removed_at)
                for each in found
            ],
        )


async def _list(removed_too: bool) -> "list[Organization]":
    from reengage import organizations as use
    from reengage.control import open_control

    async with open_control() as control:
        return await use.load_all(control, removed_too=removed_too)


@commands.command()
def show(org: Org, as_json: AsJson = False) -> None:
    """Show an organization with all its settings, never its key."""
    show_one(run(_show(org)), as_json)


async def _show(org: str) -> "Organization":
    from reengage import organizations as use
    from reengage.control import open_control

    async with open_control() as control:
        return await use.load(control, org, removed_too=True)


@commands.command("set")
def set_(
    org: Org,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="An empty VALUE: the default.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="Another name.")] = None,
    contact_email: Email = None,
    as_json: AsJson = False,
) -> None:
    """Change settings of an organization; the numbers follow by themselves."""
    show_one(run(_set(org, settings or [], name, contact_email)), as_json)


async def _set(org: str, settings: list[str], name: str | None, contact_email: str | None) -> "Organization":
    from reengage import organizations as use
    from reengage.cliniko import checked_email
    from reengage.control import open_control

    changes = use.parse_settings(settings)
    if not changes and name is None and contact_email is None:
        raise WrongUsageError("nothing to change: give KEY=VALUE, --name or --contact-email")
    name = None if name is None else use.checked_name(name)
    contact_email = None if contact_email is None else checked_email(contact_email)
    async with open_control() as control:
        organization = await use.load(control, org)
        return await use.change(control, organization, changes, name=name, contact_email=contact_email)


@commands.command("set-key")
def set_key(
    org: Org,
    cliniko_api_key: Key,
    cliniko_base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give an organization another API key of the same clinic, also when the old one cannot be opened."""
    show_one(run(_set_key(org, cliniko_api_key, cliniko_base_url)), as_json)


async def _set_key(org: str, api_key: str, base_url: str | None) -> "Organization":
    from reengage import cliniko
    from reengage import organizations as use
    from reengage.control import open_control
    from shared.identity import KeySealer

    async with open_control() as control:
        organization = await use.load(control, org)
        known = organization.cliniko
        own_url = None if cliniko.OFFICIAL_URL.fullmatch(known.base_url) else known.base_url
        access = cliniko.access(api_key, base_url or own_url, known.contact_email, control.surroundings)
        use.checked_settings(organization.settings.model_dump(), access.base_url)
        sealer = KeySealer.from_text(control.surroundings.encryption_keys)
        await cliniko.check_key(access, control)
        await use.set_key(control, org, access, sealer)
        return await use.load(control, org)


@commands.command()
def remove(
    org: Org,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an organization: its tokens end, and the services delete what they hold of it."""
    run(_show(org))
    if not yes:
        confirm(f"Remove {org} and all that is held of it?")
    organization = run(_remove(org))
    if as_json:
        print_json(view(organization))
    else:
        say(f"{org} is removed; the services delete what they hold of it")


def confirm(question: str) -> None:
    """Returns when a person says yes; ends the command otherwise."""
    if not sys.stdin.isatty():
        stop("nobody is there to ask: add --yes", WRONG_USAGE)
    typer.confirm(question, abort=True, err=True)


async def _remove(org: str) -> "Organization":
    from reengage import organizations as use
    from reengage.control import open_control
    from reengage.removal import remove as remove_organization

    async with open_control() as control:
        await remove_organization(control, org)
        return await use.load(control, org, removed_too=True)


def show_one(organization: "Organization", as_json: bool) -> None:
    """Prints an organization."""
    shown = view(organization)
    if as_json:
        print_json(shown)
        return
    settings, cliniko = shown.pop("settings"), shown.pop("cliniko")
    print_fields([*shown.items(), *((f"cliniko {key}", value) for key, value in cliniko.items()), *settings.items()])


def view(organization: "Organization") -> dict[str, Any]:
    """What is shown of an organization: all but its key."""
    cliniko = organization.cliniko
    return {
        "organization_id": organization.id,
        "name": organization.name,
        "created_at": organization.created_at,
        "removed_at": organization.removed_at,
        "settings_revision": organization.settings_revision,
        "cliniko": {
            "base_url": cliniko.base_url,
            "contact_email": cliniko.contact_email,
            "sealed_with": cliniko.key.partition(":")[0] or None,
        },
        "settings": organization.settings.model_dump(),
    }
