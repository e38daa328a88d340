"""What a client can ask: the answers to the Cliniko side's reading paths."""

from typing import Any

from support.sandbox.catalog import RESOURCES, TOMBSTONES
from support.sandbox.clinic import Clinic
from support.sandbox.filters import Filter, read_query
from support.sandbox.lists import Asked, arrange, envelope, page_slice, read_parameters
from support.sandbox.records import Collection
from support.sandbox.refusals import bad_request, no_such_page, not_found
from support.sandbox.rendering import RENDERERS, Renderer
from support.sandbox.schema import BASE

NESTED = {
    ("patients", "medical_alerts"): "patient_id",
    ("individual_appointments", "attendees"): "booking_id",
    ("group_appointments", "attendees"): "booking_id",
    ("patient_cases", "attendees"): "patient_case_id",
}
"""Lists under one record, and the field of theirs that names it."""

_LIFTING = ("archived_at", "cancelled_at", "deleted_at")
_STONES = Renderer(TOMBSTONES)
_ACTIVE, _INACTIVE = Filter("active", "=", "true"), Filter("active", "=", "false")


def listed(clinic: Clinic, kind: str, query_string: str, path: str, *fixed: Filter) -> Any:
    """Return a page of a kind's list. Raises Refused (400)."""
    collection = clinic.records[kind]
    asked = read_parameters(query_string, collection.resource)
    asks_for_activity = any(condition.startswith("active:") for condition in asked.conditions)
    if kind == "practitioners" and not fixed and not asks_for_activity:
        fixed = (_ACTIVE,)
    return _page(clinic, collection, RENDERERS[kind], asked, path, fixed)


def listed_inactive(clinic: Clinic, query_string: str, path: str) -> Any:
    """Return a page of the practitioners who have left. Raises Refused (400)."""
    return listed(clinic, "practitioners", query_string, path, _INACTIVE)


def listed_active_cases(clinic: Clinic, query_string: str, path: str) -> Any:
    """Return a page of the cases that are not closed. Raises Refused (400)."""
    return listed(clinic, "patient_cases", query_string, path, Filter("closed_at", "!?", ""))


def listed_tombstones(clinic: Clinic, query_string: str, path: str) -> Any:
    """Return a page of what is left of hard-deleted patients. Raises Refused (400)."""
    asked = read_parameters(query_string, TOMBSTONES)
    return _page(clinic, clinic.tombstones, _STONES, asked, path, ())


def listed_under(clinic: Clinic, parent: str, record_id: str, kind: str, query_string: str, path: str) -> Any:
    """Return a page of the records under one record. Raises Refused (400, 404)."""
    name = NESTED.get((parent, kind))
    if name is None:
        raise no_such_page()
    clinic.find(parent, record_id)
    return listed(clinic, kind, query_string, path, Filter(name, "=", record_id))


def _page(
    clinic: Clinic,
    collection: Collection,
    renderer: Renderer,
    asked: Asked,
    path: str,
    fixed: tuple[Filter, ...],
) -> Any:
    query = read_query(
        collection.resource,
        asked.conditions,
        fixed=fixed,
        known_ids=clinic,
        hiding_deleted=clinic.options.deleted_are_hidden,
    )
    if asked.in_creation_order:
        keys = collection.select(query)
    else:
        keys = collection.select_sorted(query, repr(asked.order), lambda rows: arrange(rows, asked.order))
    bodies = [renderer.body(collection[record_id]) for _, record_id in keys[page_slice(asked)]]
    return envelope(collection.resource.name, bodies, len(keys), asked, path)


def single(clinic: Clinic, kind: str, record_id: str, query_string: str) -> Any:
    """Return one record unless it is hidden; only lifting filters count. Raises Refused."""
    resource = RESOURCES[kind]
    asked = read_parameters(query_string, resource)
    for condition in asked.conditions:
        name = condition.partition(":")[0]
        if name not in _LIFTING or name not in resource.filters:
            raise bad_request(f"{name} is not filterable")
    query = read_query(resource, asked.conditions, hiding_deleted=clinic.options.deleted_are_hidden)
    if not clinic.records[kind].matches(record_id, query):
        raise not_found()
    return clinic.body(kind, record_id)


def referral_source(clinic: Clinic, patient_id: str) -> str:
    """Return the id of a patient's referral source. Raises Refused (404)."""
    clinic.find("patients", patient_id)
    sources = clinic.records["referral_sources"]
    for source_id in sources:
        if sources[source_id].get("patient_id") == patient_id:
            return source_id
    raise not_found()


def user() -> Any:
    """Return the user whom the key belongs to: an invented administrator."""
    return {
        "id": "1809912345678800001",
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "first_name": "Sandbox",
        "last_name": "User",
        "title": None,
        "email": "user@example.com",
        "role": "administrator",
        "active": True,
        "user_active": True,
        "phone_numbers": [],
        "time_zone": "UTC",
        "time_zone_identifier": "Etc/UTC",
        "links": {"self": f"{BASE}/users/1809912345678800001"},
    }
