"""The OpenAPI document: whole, exact, and true to what the gateway answers."""

import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from api_gateway.errors import KINDS
from unit.api_gateway.gateway import ORG, PATIENTS, Gateway

DOCUMENT = Gateway().app().openapi()
OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:openapi", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def problems_of(schema: dict[str, Any], value: object) -> list[str]:
    """What in the value breaks the schema of the document."""
    absolute = _absolute(schema)
    validator = jsonschema.Draft202012Validator(
        absolute, registry=REGISTRY, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in validator.iter_errors(value)]


def _absolute(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: f"urn:openapi{value}" if key == "$ref" and value.startswith("#") else _absolute(value)
            for key, value in node.items()
        }
    return [_absolute(one) for one in node] if isinstance(node, list) else node


def test_it_is_openapi_3_1_with_all_routes() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert set(DOCUMENT["paths"]) == {
        "/api/v1/reengagement/{org_id}/risk-metrics",
        "/api/v1/reengagement/{org_id}/performance",
        "/api/v1/reengagement/{org_id}/patients/prioritized",
        "/api/v1/reengagement/{org_id}/patients/{patient_id}",
        "/api/v1/reengagement/{org_id}/trends",
        "/api/v1/cliniko/debug/contacts/{org_id}",
        "/api/v1/cliniko/status/{org_id}",
        "/api/v1/cliniko/active-patients/{org_id}",
        "/api/v1/cliniko/active-patients/{org_id}/summary",
        "/api/v1/cliniko/contacts/{org_id}/with-appointments",
        "/api/v1/outreach/{org_id}/events",
        "/livez",
        "/readyz",
    }


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_body_and_every_error_has_examples_that_fit_their_schema(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    bodies = [content for answer in operation["responses"].values() for content in answer.get("content", {}).items()]
    bodies += operation.get("requestBody", {}).get("content", {}).items()
    assert bodies
    for media_type, content in bodies:
        assert content["examples"], (path, method, media_type)
        for example in content["examples"].values():
            assert not problems_of(content["schema"], example["value"])


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_errors_are_problems_and_their_examples_name_known_types(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    for status, answer in operation["responses"].items():
        if int(status) < 400:
            continue
        assert list(answer["content"]) == ["application/problem+json"]
        for name, example in answer["content"]["application/problem+json"]["examples"].items():
            assert example["value"]["type"] == KINDS[name].type
            assert example["value"]["status"] == KINDS[name].status == int(status)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
async def test_what_the_gateway_answers_fits_the_document(path: str, method: str, operation: dict[str, Any]) -> None:
    url = path.replace("{org_id}", ORG).replace("{patient_id}", PATIENTS[0])
    async with Gateway().client() as client:
        good = await client.request(method, url, content=b"{}", headers={"Content-Type": "application/json"})
        bad = await client.request(method, f"{url}?as_of=x", headers={"Authorization": ""})

    for answer in (good, bad):
        documented = operation["responses"][str(answer.status_code)]["content"]
        media_type = answer.headers["content-type"].partition(";")[0]
        assert not problems_of(documented[media_type]["schema"], answer.json())


@pytest.mark.parametrize("metrics", ["risk_levels", "success_rates", "channel_performance"])
def test_a_part_of_the_trends_fits_the_document_without_the_others(metrics: str) -> None:
    schema = {"$ref": "#/components/schemas/Trends"}
    whole = DOCUMENT["paths"]["/api/v1/reengagement/{org_id}/trends"]["get"]["responses"]["200"]
    example = dict(whole["content"]["application/json"]["examples"]["sample"]["value"])
    for name in ("channel_performance_trends", "risk_distribution_changes"):
        part = {key: value for key, value in example.items() if key != name}
        assert not problems_of(schema, part)
        assert problems_of(schema, part | {name: None})


WORKED = Path(__file__).resolve().parents[4] / "shared" / "data" / "worked-clinic" / "expected.json"
MODELS = {
    "risk-metrics": "RiskMetrics",
    "performance": "Performance",
    "trends": "Trends",
    "prioritized": "PrioritizedPatients",
    "cliniko/status": "SyncStatus",
    "cliniko/active-patients": "ActivePatients",
    "cliniko/active-patients/summary": "ActivePatientsSummary",
    "cliniko/contacts/with-appointments": "ContactsWithAppointments",
}


@pytest.mark.skipif(not WORKED.exists(), reason="the worked clinic is not on this machine")
def test_the_worked_clinics_answers_fit_the_document() -> None:
    for bodies in json.loads(WORKED.read_text())["as_of"].values():
        for name, body in bodies.items():
            if isinstance(body, dict):
                schema = {"$ref": f"#/components/schemas/{MODELS[name.partition('?')[0]]}"}
                left_out = "is a required property"  # what definitions.md leaves open, and time stamps
                assert not [one for one in problems_of(schema, body) if not one.endswith(left_out)]


def test_the_page_for_developers_names_every_type_of_problem() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text()

    assert not [kind.name for kind in KINDS.values() if kind.name not in page]


def test_every_parameter_is_described_and_none_allows_null() -> None:
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                assert parameter["description"]
                assert "null" not in str(parameter["schema"])


async def test_the_document_needs_no_token_and_has_an_etag(  # so that generators can poll it
) -> None:
    async with Gateway().client(token=None) as client:
        first = await client.get("/openapi.json")
        again = await client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})

    assert first.json() == DOCUMENT
    assert again.status_code == 304


async def test_the_document_says_nothing_of_this_machine() -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=Gateway().app()), base_url="http://evil.example.com"
    ) as client:
        document = await client.get("/openapi.json", headers={"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "e"})

    assert "evil" not in document.text
