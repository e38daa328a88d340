"""The program on one screen: every command and where it is."""

import typer

from reengage.commands import (
    dead_letters,
    diagnosis,
    erasing,
    keys,
    organizations,
    rebuilding,
    status,
    synchronization,
    tokens,
    verifying,
)

app = typer.Typer(
    name="reengage",
    help="Operates Reengage: organizations, tokens, synchronization, status, dead letters, rebuilds and erasures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(organizations.commands, name="org")
app.add_typer(tokens.commands, name="token")
app.command("sync")(synchronization.sync)
app.command("status")(status.status)
app.command("verify")(verifying.verify)
app.command("rebuild")(rebuilding.rebuild)
app.command("erase")(erasing.erase)
app.add_typer(dead_letters.commands, name="dlq")
app.command("doctor")(diagnosis.doctor)
app.add_typer(keys.commands, name="key")
