"""What a command prints: data on standard output, words for people on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 200
"""Columns of a table when nobody looks at it: nothing is cut off."""


def say(text: str) -> None:
    """Tells people something."""
    print(text, file=sys.stderr)


def print_json(data: Any) -> None:
    """Prints one JSON document; instants become RFC 3339 in UTC."""
    print(json.dumps(data, indent=2, ensure_ascii=False, default=_as_json))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Prints rows for people; None is a dash."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_as_text(cell)) for cell in row))
    console().print(table)


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Prints names and values below one another."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in fields:
        table.add_row(Text(name, style="bold"), Text(_as_text(value)))
    console().print(table)


def console(*, stderr: bool = False) -> "Console":
    """Where rich draws; wide when it is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDE, highlight=False)


def as_instant(moment: datetime) -> str:
    """RFC 3339 in UTC ending in Z, whole seconds or the fraction there is."""
    from rules.instants import format_instant, from_datetime

    return format_instant(from_datetime(moment))


def _as_text(cell: Any) -> str:
    match cell:
        case None | "":
            return "-"
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return as_instant(cell.replace(microsecond=0))
        case dict() | list():
            return json.dumps(cell, ensure_ascii=False)
        case _:
            return str(cell)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return as_instant(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
