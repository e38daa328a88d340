"""The OpenAPI document: every body and every error, with an example of each."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from api_gateway.errors import (
    BODY_TOO_LARGE,
    INTERNAL,
    MALFORMED,
    MEDIA_TYPE,
    NOT_ALLOWED,
    NOT_AUTHENTICATED,
    NOT_FOUND,
    NOTHING_ACCEPTABLE,
    OVERLOADED,
    TIMED_OUT,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    Flaw,
    Kind,
    problem_body,
)
from api_gateway.ingress import MAX_EVENTS, MEDIA_TYPES
from api_gateway.schemas import examples
from api_gateway.schemas.outreach import Receipt
from api_gateway.schemas.problems import IngressProblem, Problem
from shared.outreach import OutreachOutcomeEvent, TreatmentOutcomeEvent

Responses = dict[int | str, dict[str, Any]]

TITLE = "Reengage API"
DESCRIPTION = """\
Who drifts away, who to call today, and whether outreach works: the numbers of an organization.

* `Authorization: Bearer TOKEN`. viewer reads; staff reads and records outreach; publisher only records
  outreach; admin does all. Another organization's id is answered as an unknown one.
* Times are RFC 3339 in UTC, days YYYY-MM-DD of the organization's calendar. Every read takes `as_of`.
* Several values of one parameter: repeated, or separated by commas.
* Reads have a weak ETag that stands as long as their numbers do: send it back in `If-None-Match`.
* Errors are `application/problem+json` (RFC 9457). They name parameters and places, never a value.
* `X-Request-Id` is on every answer; quote it when something is wrong.
"""

_REF = "#/components/schemas/{model}"
_SCHEME = "token"

_TAG_HEADERS = {
    "ETag": {"description": "Weak: the same as long as the answer's numbers are.", "schema": {"type": "string"}},
    "X-Request-Id": {"description": "The request's id.", "schema": {"type": "string", "format": "uuid"}},
}
_RETRY_HEADERS = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}

_READ_PROBLEMS = (NOT_AUTHENTICATED, NOT_ALLOWED, NOT_FOUND, MALFORMED, INTERNAL, UNAVAILABLE, OVERLOADED)
_INGRESS_PROBLEMS = (
    NOT_AUTHENTICATED,
    NOT_ALLOWED,
    NOT_FOUND,
    TIMED_OUT,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    MALFORMED,
    NOTHING_ACCEPTABLE,
    INTERNAL,
    UNAVAILABLE,
    OVERLOADED,
)
_EXAMPLE_FLAWS = {
    MALFORMED: [Flaw("must be a whole number from 1 to 500", parameter="limit")],
    NOTHING_ACCEPTABLE: [Flaw("must be 'sms', 'email' or 'phone'", pointer="#/0/data/channel")],
}
_EXAMPLE_EXTRA = {NOTHING_ACCEPTABLE: examples.REJECTED}
_EXAMPLE_INSTANCE = "urn:uuid:0b9f5c3e-6a51-4b8e-9c51-9f8f1f0f4a6e"


def _written(example: Any) -> str:
    """An example as text until the document is made: on the way FastAPI drops every null."""
    return orjson.dumps(example).decode()


_EVENT_EXAMPLES = {
    "one": {"summary": "One event", "value": _written(examples.OUTREACH_EVENT)},
    "several": {"summary": "Several events", "value": _written([examples.OUTREACH_EVENT, examples.TREATMENT_EVENT])},
}
EVENTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "CloudEvents 1.0 in JSON (structured); at most 1 MiB, each event at most 256 KiB.",
        "content": {
            media_type: {"schema": {"$ref": _REF.format(model="OutreachEvents")}, "examples": _EVENT_EXAMPLES}
            for media_type in MEDIA_TYPES
        },
    }
}


def read_responses(model: type[BaseModel], example: examples.Example) -> Responses:
    """What a read can answer."""
    return {
        200: answered(model, example, description="The numbers.") | {"headers": _TAG_HEADERS},
        304: {"description": "The client has these numbers already: If-None-Match named their ETag."},
        **problem_responses(_READ_PROBLEMS),
    }


def ingress_responses() -> Responses:
    """What the ingress can answer."""
    return {
        202: answered(Receipt, examples.RECEIPT, description="Kafka has the accepted events."),
        **problem_responses(_INGRESS_PROBLEMS, model="IngressProblem"),
    }


def answered(model: type[BaseModel], example: examples.Example, *, description: str) -> dict[str, Any]:
    """A body that is no problem."""
    content = {"application/json": {"examples": {"sample": {"value": _written(example)}}}}
    return {"model": model, "description": description, "content": content}


def problem_responses(kinds: Iterable[Kind], *, model: str = "Problem") -> Responses:
    """The problems of a route, those of one status together."""
    responses: Responses = {}
    for kind in kinds:
        response = responses.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=model)}, "examples": {}}},
            },
        )
        response["content"][MEDIA_TYPE]["examples"][kind.name] = {"summary": kind.title, "value": _example(kind)}
        if kind.status == UNAVAILABLE.status:
            response["headers"] = _RETRY_HEADERS
    return responses


def install(app: FastAPI) -> None:
    """Makes `app.openapi()` the whole document, built once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to change the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=TITLE,
        version=app.version,
        openapi_version=app.openapi_version,
        description=DESCRIPTION,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    for model in (Problem, IngressProblem):
        schema = model.model_json_schema(ref_template=_REF)
        components["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
    components["schemas"] |= _events_schema()
    components["schemas"] = _used_schemas(document)
    components["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer", "description": "Made by `reengage token create`."}
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            if "401" in operation["responses"]:
                operation["security"] = [{_SCHEME: []}]
            for described in (operation.get("requestBody", {}), *operation["responses"].values()):
                for content in described.get("content", {}).values():
                    for example in content["examples"].values():
                        example["value"] = orjson.loads(example["value"])
    return document


def _events_schema() -> dict[str, Any]:
    """What an event may hold, from the models that judge it (`shared.outreach`)."""
    one_of = OutreachOutcomeEvent | TreatmentOutcomeEvent
    schema = TypeAdapter(one_of).json_schema(ref_template=_REF)
    definitions: dict[str, Any] = schema.pop("$defs")
    array = {
        "type": "array",
        "items": {"$ref": _REF.format(model="OutreachEvent")},
        "minItems": 1,
        "maxItems": MAX_EVENTS,
    }
    return definitions | {
        "OutreachEvent": schema,
        "OutreachEvents": {"anyOf": [{"$ref": _REF.format(model="OutreachEvent")}, array]},
    }


def _used_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """The schemas by name, without those that nothing refers to (types of parameters in Python)."""
    text = orjson.dumps(document).decode()
    schemas = document["components"]["schemas"]
    return {name: schemas[name] for name in sorted(schemas) if f'"{_REF.format(model=name)}"' in text}


def _example(kind: Kind) -> str:
    flaws = [flaw.shown() for flaw in _EXAMPLE_FLAWS.get(kind, [])]
    instance = _EXAMPLE_INSTANCE if kind.status >= INTERNAL.status else None
    return problem_body(kind, errors=flaws, extra=_EXAMPLE_EXTRA.get(kind), instance=instance).decode()
