"""Every route of the document with every wrong credential: nothing is let through, nothing is told.

The routes come from the OpenAPI document, so that a new one is walked without a new test.
"""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import httpx
import pytest

from api_gateway.auth import READERS, RECORDERS
from rules.instants import to_datetime
from shared.identity import ROLES, Role, TokenDirectory, new_token
from unit.api_gateway.gateway import NOW, ORG, OTHER_ORG, PATIENTS, Gateway

WITHOUT_TOKEN = {"/livez", "/readyz"}
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryTokens:
    """`reengage.tokens` in memory."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def add(self, organization_id: str, role: Role, **changes: Any) -> str:
        text, document = new_token(organization_id, role, now=MADE_AT)
        self.documents[document["_id"]] = document | changes
        return text

    async def find_one(self, filter: Mapping[str, Any], /) -> Mapping[str, Any] | None:  # noqa: A002
        return self.documents.get(filter["_id"])


STORED = MemoryTokens()
GOOD: dict[tuple[str, Role], str] = {(org, role): STORED.add(org, role) for org in (ORG, OTHER_ORG) for role in ROLES}
NOW_UTC = to_datetime(NOW)

UNAUTHENTICATED: dict[str, str | None] = {
    "none": None,
    "empty": "",
    "other scheme": "Basic dXNlcjpwYXNz",
    "no scheme": GOOD[ORG, "admin"],
    "malformed": "Bearer rg_short",
    "unknown": f"Bearer {new_token(ORG, 'admin', now=MADE_AT)[0]}",
    "other secret": f"Bearer {GOOD[ORG, 'admin'][:-4]}AAAA",
    "revoked": f"Bearer {STORED.add(ORG, 'admin', revoked_at=NOW_UTC - timedelta(seconds=1))}",
    "expired": f"Bearer {STORED.add(ORG, 'admin', expires_at=NOW_UTC)}",
}


class Operation(NamedTuple):
    """One route of the document."""

    method: str
    path: str

    def url(self, org: str, patient: str = PATIENTS[0]) -> str:
        return self.path.replace("{org_id}", org).replace("{patient_id}", patient)

    @property
    def roles(self) -> frozenset[Role]:
        return READERS if self.method == "GET" else RECORDERS


def gateway() -> Gateway:
    made = Gateway()
    made.tokens = cast("Any", TokenDirectory(STORED, now=lambda: to_datetime(made.clock.now())))
    return made


OPERATIONS = [
    Operation(method.upper(), path)
    for path, operations in gateway().app().openapi()["paths"].items()
    for method in operations
    if path not in WITHOUT_TOKEN
]


@pytest.fixture(scope="module")
def client() -> httpx.AsyncClient:
    return gateway().client(token=None)


async def ask(client: httpx.AsyncClient, operation: Operation, url: str, authorization: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    if authorization is not None:
        headers["Authorization"] = authorization
    return await client.request(operation.method, url, headers=headers, content=b"{}")


def test_every_route_but_the_health_checks_names_its_credential() -> None:
    document = gateway().app().openapi()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == (path not in WITHOUT_TOKEN)
    assert len(OPERATIONS) == 11


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_without_a_valid_token_every_route_answers_the_same_401(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    answers = [
        await ask(client, operation, operation.url(org), authorization)
        for authorization, org in itertools.product(UNAUTHENTICATED.values(), (ORG, OTHER_ORG, "org_unknown"))
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_another_organization_is_answered_as_an_unknown_one_to_every_role(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    answers = [
        await ask(client, operation, url, f"Bearer {GOOD[ORG, role]}")
        for role in ROLES
        for url in (
            operation.url(OTHER_ORG),
            operation.url("org_unknown"),
            operation.url(OTHER_ORG, "unknown"),
            operation.url(OTHER_ORG) + "?as_of=nonsense&limit=0",
        )
    ]
    nowhere = await client.get("/nowhere")

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.content for answer in answers} == {nowhere.content}
    assert len({_told(answer) for answer in answers}) == 1


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_wrong_role_is_403_and_a_right_one_is_let_through(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    for role in ROLES:
        answer = await ask(client, operation, operation.url(ORG), f"Bearer {GOOD[ORG, role]}")
        malformed = await ask(client, operation, operation.url(ORG) + "?as_of=x", f"Bearer {GOOD[ORG, role]}")
        if role in operation.roles:
            assert answer.status_code == (200 if operation.method == "GET" else 422)
        else:
            assert answer.status_code == malformed.status_code == 403


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "{patient_id}" in o.path], ids=str)
async def test_an_unknown_patient_is_answered_as_an_unknown_organization(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    token = f"Bearer {GOOD[ORG, 'viewer']}"
    patient = await ask(client, operation, operation.url(ORG, "unknown"), token)
    organization = await ask(client, operation, operation.url("org_unknown"), token)

    assert (patient.status_code, patient.content) == (organization.status_code, organization.content)


async def test_a_token_ends_the_moment_it_expires() -> None:
    made = gateway()
    token = STORED.add(ORG, "viewer", expires_at=NOW_UTC + timedelta(seconds=1))
    async with made.client(token) as client:
        before = await client.get(f"/api/v1/cliniko/status/{ORG}")
        made.clock.instant += 1_000_000
        after = await client.get(f"/api/v1/cliniko/status/{ORG}")

    assert (before.status_code, after.status_code) == (200, 401)


def _told(answer: httpx.Response) -> frozenset[tuple[str, str]]:
    """The headers that could tell one case from another."""
    return frozenset((name, value) for name, value in answer.headers.items() if name != "x-request-id")
