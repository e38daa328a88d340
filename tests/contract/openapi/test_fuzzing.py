"""Schemathesis makes up requests from the document: every answer must be one that it describes."""

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from unit.api_gateway.gateway import ORG, Gateway, token_of

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

schema = schemathesis.openapi.from_asgi("/openapi.json", Gateway().app())


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=12, deadline=None)
def test_any_request_is_answered_as_documented(case: schemathesis.Case) -> None:
    if "org_id" in case.path_parameters:
        case.path_parameters["org_id"] = ORG
    case.headers["Authorization"] = f"Bearer {token_of('staff')}"

    response = case.call()

    case.validate_response(response, checks=list(CHECKS))
