"""What a kind of record is: which fields it shows, which it links, filters, hides and lets write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
"""One record without its links: plain fields that differ from a fresh record's, and ids of what
it is related to under `<relation>_id`."""

BASE = "https://sandbox.invalid/v1"
"""Stands in encoded records for the base URL that the asking client uses."""


@dataclass(frozen=True)
class Resource:
    """One kind of record.

    `shown` holds every plain field in the order of a body, with a fresh record's value;
    `relations` the link fields that name another record (absent when there is none), with the
    path of its kind; `links` the link fields that every record has, with `{id}` for its own.
    """

    name: str
    shown: Mapping[str, Any]
    filters: Mapping[str, str]
    relations: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    self_path: str = ""
    hidden_by: tuple[str, ...] = ("archived_at",)
    lifted_also_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    writable: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    looked_up_by: str | None = None
    adjust: Callable[[Fields, Fields], None] | None = None

    @property
    def own_path(self) -> str:
        """The path of a record's own URL, with `{id}`."""
        return self.self_path or f"/{self.name}/{{id}}"

    @property
    def related_ids(self) -> Mapping[str, str]:
        """The field that keeps the id of each relation."""
        return {name: f"{name}_id" for name in self.relations}


def types(declared: str) -> dict[str, str]:
    """Read `"date-time: created_at updated_at; int64: id"` as {field: type}."""
    found: dict[str, str] = {}
    for group in declared.split(";"):
        kind, _, names = group.partition(":")
        found.update(dict.fromkeys(names.split(), kind.strip()))
    return found
