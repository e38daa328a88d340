"""How the sandbox says no: the answers that Cliniko gives instead of a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Refused(Exception):
    """An answer other than the one asked for: its status, JSON body (or HTML text), headers."""

    status: int
    body: dict[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


def bad_request(message: str) -> Refused:
    """The question cannot be read: an unknown filter, a value of the wrong type."""
    return Refused(400, {"message": message})


def not_found() -> Refused:
    """No such record, or one that is hidden from this question."""
    return Refused(404, {"message": "Record not found"})


def no_such_page() -> Refused:
    """A path that leads nowhere: an HTML page, as for any unknown URL of the site."""
    page = "<!DOCTYPE html><html><head><title>Not found (404)</title></head><body></body></html>"
    return Refused(404, page)


def invalid(**errors: str) -> Refused:
    """A record that cannot be written: the reason per field, `base` for the record itself."""
    return Refused(422, {"message": "Validation Failed", "errors": errors})
