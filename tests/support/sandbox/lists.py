"""A page of a list: which records are on it, and where the other pages are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from support.sandbox.refusals import bad_request
from support.sandbox.schema import BASE, Fields, Resource

LARGEST_PAGE = 100
USUAL_PAGE = 50
# Which columns Cliniko sorts by is not published: those that it compares in filters.
_SORTABLE = ("date-time", "date", "string")


@dataclass(frozen=True)
class Asked:
    """What a list is asked for: conditions, order and page."""

    conditions: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    page: int
    per_page: int
    rest: tuple[tuple[str, str], ...]

    @property
    def in_creation_order(self) -> bool:
        """Whether the order is the usual one."""
        return self.order in ((), (("created_at", False),))


def read_parameters(query_string: str, resource: Resource) -> Asked:
    """Read a list's parameters; `q` without brackets counts only when it is alone.

    Raises Refused (400).
    """
    pairs = parse_qsl(query_string, keep_blank_values=True)
    bare = [value for name, value in pairs if name == "q"]
    conditions = [value for name, value in pairs if name == "q[]"]
    if len(bare) == 1:
        conditions += bare
    named = dict(pairs)
    return Asked(
        conditions=tuple(conditions),
        order=_order(named, resource),
        page=max(1, _number(named, "page", 1)),
        per_page=min(LARGEST_PAGE, max(1, _number(named, "per_page", USUAL_PAGE))),
        rest=tuple((name, value) for name, value in pairs if name != "page"),
    )


def _number(named: dict[str, str], name: str, usual: int) -> int:
    try:
        return int(named.get(name, usual))
    except ValueError:
        raise bad_request(f"{name} must be a number") from None


def _order(named: dict[str, str], resource: Resource) -> tuple[tuple[str, bool], ...]:
    descending = named.get("order") == "desc"
    columns = [each for each in named.get("sort", "").split(",") if each]
    if not columns:
        return (("created_at", True),) if descending else ()
    order = []
    for column in columns:
        name, _, direction = column.partition(":")
        if resource.filters.get(name) not in _SORTABLE:
            raise bad_request(f"{name} is not sortable")
        order.append((name, direction == "desc" if direction else descending))
    return tuple(order)


def arrange(rows: list[Fields], order: Iterable[tuple[str, bool]]) -> None:
    """Sort records in place by columns (name, descending); unset ones last."""
    for name, descending in reversed(tuple(order)):
        rows.sort(key=partial(_sort_key, name, descending), reverse=descending)


def _sort_key(name: str, descending: bool, fields: Fields) -> tuple[bool, str]:
    value = fields.get(name)
    return (value is None) != descending, "" if value is None else value


def page_slice(asked: Asked) -> slice:
    """Return which part of the whole list the page is."""
    first = (asked.page - 1) * asked.per_page
    return slice(first, first + asked.per_page)


def envelope(name: str, bodies: Sequence[Fields], total: int, asked: Asked, path: str) -> dict[str, Any]:
    """Return the answer: the page's records, how many there are, and links to other pages.

    `next` and `previous` are absent at the ends.
    """

    def link(page: int) -> str:
        return f"{BASE}{path}?{urlencode((*asked.rest, ('page', str(page))))}"

    links = {"self": link(asked.page)}
    if asked.page * asked.per_page < total:
        links["next"] = link(asked.page + 1)
    if asked.page > 1:
        links["previous"] = link(asked.page - 1)
    return {name: bodies, "total_entries": total, "links": links}


def encode(body: Any, base_url: str) -> bytes:
    """Return the JSON of an answer for a client that asks at `base_url`."""
    return orjson.dumps(body).replace(BASE.encode(), base_url.encode())
