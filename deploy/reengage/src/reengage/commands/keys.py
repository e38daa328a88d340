"""`reengage key …`: the keys that seal the API keys in the database."""

from typing import Annotated, Any

import typer

from reengage.commands import AsJson
from reengage.failures import FAILED, WRONG_USAGE, run, stop
from reengage.output import print_json, say

commands = typer.Typer(help="Keys that seal the API keys at rest.", no_args_is_help=True)


@commands.command()
def create(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A name that no sealing key had before, such as k2.")],
    as_json: AsJson = False,
) -> None:
    """Make a sealing key: an entry to put FIRST into REENGAGE_ENCRYPTION_KEYS."""
    from shared.identity import KeySealer, SealError, new_sealing_key

    entry = new_sealing_key(key_id)
    try:
        KeySealer.from_text(entry)
    except SealError:
        stop("ID is 1 to 64 letters, digits, '_', '.' or '-'", WRONG_USAGE)
    say("Put this first into REENGAGE_ENCRYPTION_KEYS of the ingestors and of this program, keep a copy elsewhere:")
    if as_json:
        print_json({"id": key_id, "entry": entry})
    else:
        print(entry)


@commands.command()
def rotate(as_json: AsJson = False) -> None:
    """Seal every API key anew with the first of REENGAGE_ENCRYPTION_KEYS."""
    told = run(_rotate())
    if as_json:
        print_json(told)
    else:
        say(f"sealed with {told['active']!r}: {len(told['resealed'])} anew, {len(told['unchanged'])} were so before")
    if told["failed"]:
        for failed in told["failed"]:
            say(f"  {failed['error']}")
        stop(
            f"{len(told['failed'])} API keys could not be opened: put what sealed them back into REENGAGE_ENCRYPTION_KEYS"
            " (a new entry needs an id of its own), or give them anew with `reengage org set-key`",
            FAILED,
        )


async def _rotate() -> dict[str, Any]:
    from reengage import organizations as use
    from reengage.control import open_control
    from shared.identity import KeySealer, SealError

    async with open_control() as control:
        sealer = KeySealer.from_text(control.surroundings.encryption_keys)
        told: dict[str, Any] = {"active": sealer.active_id, "resealed": [], "unchanged": [], "failed": []}
        for organization in await use.load_all(control):
            try:
                # Its id alone says too little: another sealing key may have it.
                sealer.open(organization.cliniko.key, organization_id=organization.id)
                done = "resealed" if await use.reseal(control, organization, sealer) else "unchanged"
                told[done].append(organization.id)
            except SealError as fault:
                told["failed"].append({"organization_id": organization.id, "error": str(fault)})
        return told
