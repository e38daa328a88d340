"""What an operator types: arguments in, use case, data out. They import the rest when they run."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Org = Annotated[str, typer.Argument(metavar="ORG", help="The organization's id.")]
