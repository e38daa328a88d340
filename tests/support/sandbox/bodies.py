"""How a body in Cliniko's form becomes the fields that the sandbox keeps."""

from collections.abc import Mapping
from typing import Any

from support.sandbox.clock import instant_of, stamp
from support.sandbox.schema import Fields, Resource

_COMPUTED = ("links", "repeats")


def fields_of(resource: Resource, body: Mapping[str, Any], *, whole: bool = True) -> Fields:
    """Return what a record keeps of a body: links become ids.

    Of a whole record what a fresh one has anyway is left out. Takes ids (`patient_id`) in place
    of links, too, and keeps unknown keys. Raises ValueError for a date-time that is none.
    """
    fields: Fields = {}
    for name, value in body.items():
        if name in _COMPUTED or name in resource.links:
            continue
        kept_as, kept = name, value
        if name in resource.relations:
            kept_as, kept = f"{name}_id", linked_id(value)
        elif name.endswith("_at") and name != "recall_at" and isinstance(value, str):
            kept = stamp(instant_of(value))
        fresh = kept_as in resource.shown and kept == resource.shown[kept_as]
        if not (whole and fresh):
            fields[kept_as] = kept
    return fields


def linked_id(link: Any) -> str | None:
    """Return the id at the end of a link, None for no link."""
    if not link:
        return None
    url: str = link["links"]["self"]
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]
