"""Who may do what, and in which order a request is judged."""

import httpx
import pytest

from unit.api_gateway.gateway import ORG, OTHER_ORG, Gateway, organization, token_of

RISK = "/api/v1/reengagement/{}/risk-metrics"
EVENTS = "/api/v1/outreach/{}/events"


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("role", "status"), [("viewer", 200), ("staff", 200), ("admin", 200), ("publisher", 403)])
async def test_viewers_staff_and_admins_read(client: httpx.AsyncClient, role: str, status: int) -> None:
    answer = await client.get(RISK.format(ORG), headers=headers(f"rg_{ORG}_{role}"))

    assert answer.status_code == status


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("staff", 422), ("admin", 422), ("publisher", 422)])
async def test_staff_publishers_and_admins_record_outreach(client: httpx.AsyncClient, role: str, status: int) -> None:
    answer = await client.post(EVENTS.format(ORG), json={}, headers=headers(f"rg_{ORG}_{role}"))

    assert answer.status_code == status


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic abc", token_of("staff"), "Bearer unknown", f"Bearer {'x' * 1000}", "Bearer a b"],
)
async def test_no_valid_token_is_401_whatever_is_wrong_with_it(gateway: Gateway, authorization: str) -> None:
    async with gateway.client(token=None) as client:
        bare = await client.get(RISK.format(ORG))
        answer = await client.get(RISK.format(ORG), headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="reengage"'
    assert answer.content == bare.content


async def test_the_scheme_is_read_in_any_case_and_two_credentials_are_none(gateway: Gateway) -> None:
    async with gateway.client(token=None) as client:
        good = await client.get(RISK.format(ORG), headers={"Authorization": f"bEARER  {token_of('viewer')}"})
        two = await client.get(RISK.format(ORG), headers=[("Authorization", f"Bearer {token_of('viewer')}")] * 2)

    assert good.status_code == 200
    assert two.status_code == 401


async def test_a_token_in_the_query_counts_for_nothing(gateway: Gateway) -> None:
    async with gateway.client(token=None) as client:
        answer = await client.get(f"{RISK.format(ORG)}?access_token={token_of('admin')}&token={token_of('admin')}")

    assert answer.status_code == 401


async def test_another_organization_an_unknown_one_and_a_removed_one_are_the_same(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    other = await client.get(RISK.format(OTHER_ORG))
    unknown = await client.get(RISK.format("org_unknown"))
    odd = await client.get(RISK.format("%00%2e%2e%0a"))
    patient = await client.get(f"/api/v1/reengagement/{ORG}/patients/unknown")
    del gateway.directory.known[ORG]
    removed = await client.get(RISK.format(ORG))

    assert {answer.status_code for answer in (other, unknown, odd, patient, removed)} == {404}
    assert len({answer.content for answer in (other, unknown, odd, patient, removed)}) == 1


async def test_first_401_then_404_then_403_then_422(client: httpx.AsyncClient) -> None:
    malformed = "?as_of=nonsense&limit=x&asof=1"
    publisher = headers(token_of("publisher"))

    def path(org: str) -> str:
        return RISK.format(org) + malformed

    assert (await client.get(path(OTHER_ORG), headers=headers("unknown"))).status_code == 401
    assert (await client.get(path(OTHER_ORG), headers=publisher)).status_code == 404
    assert (await client.get(path(ORG), headers=publisher)).status_code == 403
    assert (await client.get(path(ORG))).status_code == 422


async def test_the_ingress_judges_in_the_same_order_and_reads_no_body_before(client: httpx.AsyncClient) -> None:
    body = b"{" * 2_000_000

    async def post(org: str, token: str) -> int:
        answer = await client.post(EVENTS.format(org), content=body, headers=headers(token))
        return answer.status_code

    assert await post(OTHER_ORG, "unknown") == 401
    assert await post(OTHER_ORG, token_of("viewer")) == 404
    assert await post(ORG, token_of("viewer")) == 403
    assert await post(ORG, token_of("publisher")) == 415


async def test_an_organization_is_known_the_moment_it_is_added(client: httpx.AsyncClient, gateway: Gateway) -> None:
    added = gateway.directory.known.pop(ORG)
    assert (await client.get(RISK.format(ORG))).status_code == 404

    gateway.directory.known[ORG] = added
    assert (await client.get(RISK.format(ORG))).status_code == 200
    assert added == organization(ORG)


async def test_a_token_is_looked_up_once_for_each_request(client: httpx.AsyncClient, gateway: Gateway) -> None:
    await client.get(RISK.format(ORG))
    await client.post(EVENTS.format(ORG), json={})

    assert gateway.tokens.asked == 2
