"""`reengage token …`: who may call the gateway."""

from typing import Annotated, Any

import typer

from reengage.commands import AsJson
from reengage.failures import run
from reengage.output import print_json, print_table, say

commands = typer.Typer(help="Tokens for the gateway.", no_args_is_help=True)


@commands.command()
def create(
    org: Annotated[str, typer.Option("--org", metavar="ORG", help="Whose data it opens.")],
    role: Annotated[str, typer.Option("--role", metavar="viewer|staff|publisher|admin", help="What it may do.")],
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="Who has it.")] = None,
    expires: Annotated[int | None, typer.Option("--expires", metavar="DAYS", min=1, max=36_500)] = None,
    as_json: AsJson = False,
) -> None:
    """Create a token; it is shown this once and stored hashed."""
    token = run(_create(org, role, name, expires))
    if as_json:
        print_json(token)
        return
    say("This is shown once; whoever has it can use it:")
    print(token["token"])


async def _create(org: str, role: str, name: str | None, expires: int | None) -> dict[str, Any]:
    from reengage import tokens as use
    from reengage.control import open_control

    known_role = use.checked_role(role)
    async with open_control() as control:
        return await use.create(control, organization_id=org, role=known_role, name=name, days=expires)


@commands.command("list")
def list_(
    org: Annotated[str | None, typer.Option("--org", metavar="ORG", help="Of this organization alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tokens, never their text."""
    found = run(_list(org))
    if as_json:
        print_json(found)
    else:
        columns = ("id", "organization_id", "role", "state", "name", "created_at", "expires_at")
        print_table(columns, [[token[column] for column in columns] for token in found])


async def _list(org: str | None) -> list[dict[str, Any]]:
    from reengage import tokens as use
    from reengage.control import open_control

    async with open_control() as control:
        return await use.load_all(control, organization_id=org)


@commands.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")], as_json: AsJson = False
) -> None:
    """Revoke a token: within a second no gateway takes it any more."""
    token = run(_revoke(token_id))
    if as_json:
        print_json(token)
    else:
        say(f"{token['id']} is revoked")


async def _revoke(token_id: str) -> dict[str, Any]:
    from reengage import tokens as use
    from reengage.control import open_control

    async with open_control() as control:
        return await use.revoke(control, token_id)
