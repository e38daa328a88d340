"""While results are rebuilt for a new time zone, days are of the zone that is served."""

import httpx
import pytest

from rules.instants import parse_instant
from unit.api_gateway.gateway import ORG, PATIENTS, ZONE, Gateway

REENGAGEMENT, CLINIKO = f"/api/v1/reengagement/{ORG}", "/api/v1/cliniko"
READS = [
    f"{REENGAGEMENT}/risk-metrics",
    f"{REENGAGEMENT}/performance",
    f"{REENGAGEMENT}/patients/prioritized",
    f"{REENGAGEMENT}/patients/{PATIENTS[0]}",
    f"{REENGAGEMENT}/trends",
    f"{CLINIKO}/debug/contacts/{ORG}",
    f"{CLINIKO}/status/{ORG}",
    f"{CLINIKO}/active-patients/{ORG}",
    f"{CLINIKO}/active-patients/{ORG}/summary",
    f"{CLINIKO}/contacts/{ORG}/with-appointments",
]
SERVED = "America/Havana"
DAY, ENDS = "2025-11-10", "2025-11-11T04:59:59.999999Z"


@pytest.fixture(autouse=True)
def _rebuilding(gateway: Gateway) -> None:
    assert ZONE != SERVED
    gateway.readings.served[ORG] = SERVED


@pytest.mark.parametrize("path", READS)
async def test_a_plain_day_ends_where_the_results_are_made(
    client: httpx.AsyncClient, gateway: Gateway, path: str
) -> None:
    body = (await client.get(path, params={"as_of": DAY})).json()

    assert body["as_of"] == ENDS
    assert gateway.readings.asked[-1][1]["as_of"] == parse_instant(ENDS)
    assert gateway.readings.standings_read == 1


async def test_today_is_the_day_that_is_today_where_the_results_are_made(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    gateway.clock.instant = parse_instant("2026-11-21T02:00:00Z")  # the 20th in Havana, the 21st in Sydney

    body = (await client.get(READS[0], params={"as_of": "2026-11-20"})).json()

    assert body["as_of"] == "2026-11-21T02:00:00Z"


async def test_a_walk_stays_at_its_instant_when_the_new_zone_is_served(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    path = f"{REENGAGEMENT}/patients/prioritized"
    first = (await client.get(path, params={"as_of": DAY, "limit": 10})).json()
    del gateway.readings.served[ORG]

    second = (await client.get(path, params={"as_of": DAY, "limit": 10, "cursor": first["next_cursor"]})).json()

    assert first["as_of"] == second["as_of"] == ENDS
    assert [asked["as_of"] for _, asked in gateway.readings.asked] == [parse_instant(ENDS)] * 2


async def test_what_is_malformed_is_refused_before_anything_is_read(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    for query in ("/patients/prioritized?cursor=x", "/performance?days=5&from=2026-01-01&to=2026-01-02"):
        assert (await client.get(f"{REENGAGEMENT}{query}")).status_code == 422

    assert gateway.readings.standings_read == 0
