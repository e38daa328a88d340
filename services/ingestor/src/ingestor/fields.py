"""Reads the fields of Cliniko's JSON objects: `""`, null and absent are alike, nonsense is none."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from rules.calendar import plausible_day
from rules.instants import parse_instant, plausible
from shared.events import MAX_TEXT

Raw = Mapping[str, Any]

LONGEST_ID = 90
"""Characters; Cliniko's ids have about 19. Two of them name a place in a class."""


class UntranslatableError(ValueError):
    """The record lacks what makes it one, or says nonsense; names the field, never the value."""


def ident(value: Any) -> str | None:
    """An id as text, also when it came as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID:
        return value
    return None


def linked(raw: Raw, relation: str) -> str | None:
    """The id that a relation links to; None when there is none, in whichever way."""
    return id_of_link(raw.get(relation))


def id_of_link(value: Any) -> str | None:
    """The id at the end of an object's own URL."""
    if not isinstance(value, Mapping):
        return None
    links = value.get("links")
    url = links.get("self") if isinstance(links, Mapping) else None
    if not isinstance(url, str):
        return None
    return ident(unquote(url.partition("?")[0].rstrip("/").rpartition("/")[2]))


def own_id(raw: Raw) -> str:
    """The record's own id; raises UntranslatableError when it has none."""
    found = ident(raw.get("id"))
    if found is None:
        raise UntranslatableError("id")
    return found


def text(raw: Raw, name: str) -> str | None:
    """A text as Cliniko writes it, cut where no event could hold it; None when it is blank."""
    value = raw.get(name)
    if not isinstance(value, str) or not value.strip():
        return None
    return value[:MAX_TEXT]


def flag(raw: Raw, name: str) -> bool | None:
    """True, false, or None for anything else."""
    value = raw.get(name)
    return value if isinstance(value, bool) else None


def instant(raw: Raw, name: str) -> int | None:
    """An instant in microseconds; raises UntranslatableError for what is none, or of no plausible year."""
    value = raw.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise UntranslatableError(name)
    try:
        return plausible(parse_instant(value))
    except ValueError:
        raise UntranslatableError(name) from None


def needed_instant(raw: Raw, name: str) -> int:
    """The same of a field that must not be unset."""
    found = instant(raw, name)
    if found is None:
        raise UntranslatableError(name)
    return found


def _earlier(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


def gone_at(raw: Raw) -> int | None:
    """The earlier of archived and deleted."""
    return _earlier(instant(raw, "archived_at"), instant(raw, "deleted_at"))


def life(raw: Raw) -> tuple[int, int]:
    """created_at and updated_at; one stands in for the other, where only that is known."""
    created, updated = instant(raw, "created_at"), instant(raw, "updated_at")
    if created is None and updated is None:
        raise UntranslatableError("created_at")
    return (
        created if created is not None else updated or 0,
        updated if updated is not None else created or 0,
    )


def updated_at(raw: Raw) -> int:
    """updated_at of a record that need not have one, else 0: older than all."""
    return life(raw)[1] if raw.get("updated_at") or raw.get("created_at") else 0


def number(value: Any) -> str | None:
    """A phone number as Cliniko writes it, also when it came as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value[:MAX_TEXT] if isinstance(value, str) and value.strip() else None


def day(raw: Raw, name: str) -> str | None:
    """A calendar day, YYYY-MM-DD; raises UntranslatableError for what is none, or of no plausible year."""
    written = text(raw, name)
    if written is None:
        return None
    try:
        return plausible_day(written[:10])
    except ValueError:
        raise UntranslatableError(name) from None


def full_name(first: str | None, last: str | None) -> str:
    """First and last name joined by a space, "" when there is neither."""
    return " ".join(part.strip() for part in (first, last) if part)
