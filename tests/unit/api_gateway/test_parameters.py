"""Queries: what is understood, what is refused, and that no refusal repeats a value."""

from datetime import date
from typing import Any

import httpx
import pytest

from api_gateway.ports import DaysBetween, LastDays
from unit.api_gateway.gateway import Gateway

REENGAGEMENT = "/api/v1/reengagement/org_xxx"
RISK, PERFORMANCE, TRENDS = f"{REENGAGEMENT}/risk-metrics", f"{REENGAGEMENT}/performance", f"{REENGAGEMENT}/trends"
LIST, ONE = f"{REENGAGEMENT}/patients/prioritized", f"{REENGAGEMENT}/patients/patient_003"
ACTIVE = "/api/v1/cliniko/active-patients/org_xxx"
SECRET = "Hannelore-Schmidt"


async def asked(gateway: Gateway, path: str) -> dict[str, Any]:
    async with gateway.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return gateway.readings.asked[-1][1]


async def refused(client: httpx.AsyncClient, path: str) -> list[dict[str, str]]:
    answer = await client.get(path)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


@pytest.mark.parametrize(
    ("query", "levels"),
    [
        ("", "critical high medium low engaged"),
        ("risk_level=all", "critical high medium low engaged"),
        ("risk_level=low,all", "critical high medium low engaged"),
        ("risk_level=critical", "critical"),
        ("risk_level=critical,high", "critical high"),
        ("risk_level=critical&risk_level=high", "critical high"),
        ("risk_level=critical,high&risk_level=low, high", "critical high low"),
        ("risk_level=critical%2Chigh", "critical high"),
    ],
)
async def test_several_values_are_repeated_or_separated_by_commas(gateway: Gateway, query: str, levels: str) -> None:
    found = await asked(gateway, f"{LIST}?{query}")

    assert found["query"].risk_levels == frozenset(levels.split())


async def test_an_id_may_hold_any_character(gateway: Gateway) -> None:
    async with gateway.client() as client:
        await client.get(f"{REENGAGEMENT}/patients/a%2Fb%20%C3%A9%3F")

    assert gateway.readings.asked[-1][1]["patient_id"] == "a/b é?"


async def test_the_list_has_its_defaults(gateway: Gateway) -> None:
    found = await asked(gateway, LIST)

    assert found["limit"] == 50
    assert found["after"] is None
    assert found["query"].actions == frozenset()
    assert found["query"].sort_by == "risk_score"
    assert not found["query"].include_dormant
    assert not found["query"].explain


async def test_filters_order_and_flags_reach_the_readings(gateway: Gateway) -> None:
    found = await asked(
        gateway,
        f"{LIST}?action_required=missed_appt,failed_contact&sort_by=next_action_date&limit=7"
        "&include_dormant=true&explain=True",
    )

    assert found["limit"] == 7
    assert found["query"].actions == {"missed_appt", "failed_contact"}
    assert found["query"].sort_by == "next_action_date"
    assert found["query"].include_dormant
    assert found["query"].explain


@pytest.mark.parametrize(
    ("query", "period"),
    [
        ("", LastDays(30)),
        ("days=1", LastDays(1)),
        ("days=366", LastDays(366)),
        ("from=2026-01-01&to=2026-01-31", DaysBetween(date(2026, 1, 1), date(2026, 1, 31))),
        ("from=2026-01-01&to=2026-01-01", DaysBetween(date(2026, 1, 1), date(2026, 1, 1))),
        ("from=2016-01-01&to=2026-01-07", DaysBetween(date(2016, 1, 1), date(2026, 1, 7))),  # 3,660 days
    ],
)
async def test_performance_is_of_the_last_days_or_between_two(gateway: Gateway, query: str, period: object) -> None:
    assert (await asked(gateway, f"{PERFORMANCE}?{query}"))["period"] == period


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("days=0", "days"),
        ("days=367", "days"),
        ("days=30.0", "days"),
        ("days=-1", "days"),
        ("days=+1", "days"),
        ("days=", "days"),
        ("days=٣", "days"),
        ("from=2026-01-01", "to"),
        ("to=2026-01-01", "from"),
        ("days=5&from=2026-01-01&to=2026-01-31", "days"),
        ("days=30&to=2026-01-31", "days"),
        ("from=2026-02-01&to=2026-01-31", "from"),
        ("from=2016-01-01&to=2026-01-08", "to"),
        ("from=2026-01-01T00:00:00Z&to=2026-01-31", "from"),
        ("from=2026-01-01&to=2026-02-30", "to"),
    ],
)
async def test_a_period_that_contradicts_itself_is_refused(
    client: httpx.AsyncClient, query: str, parameter: str
) -> None:
    errors = await refused(client, f"{PERFORMANCE}?{query}")

    assert [error["parameter"] for error in errors] == [parameter]


async def test_trends_have_their_defaults_and_choices(gateway: Gateway) -> None:
    found = await asked(gateway, TRENDS)
    assert found["period"] == "30d"
    assert found["metrics"] == {"risk_levels", "success_rates", "channel_performance"}

    found = await asked(gateway, f"{TRENDS}?period=6m&metrics=risk_levels")
    assert found["period"] == "6m"
    assert found["metrics"] == {"risk_levels"}


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        (f"{RISK}?as_of={SECRET}", "as_of"),
        (f"{RISK}?include_dormant={SECRET}", "include_dormant"),
        (f"{RISK}?include_dormant=1", "include_dormant"),
        (f"{RISK}?include_dormant=", "include_dormant"),
        (f"{TRENDS}?period={SECRET}", "period"),
        (f"{TRENDS}?period=30D", "period"),
        (f"{TRENDS}?metrics=risk_levels,{SECRET}", "metrics"),
        (f"{TRENDS}?metrics=", "metrics"),
        (f"{LIST}?risk_level={SECRET}", "risk_level"),
        (f"{LIST}?risk_level=critical,,high", "risk_level"),
        (f"{LIST}?action_required={SECRET}", "action_required"),
        (f"{LIST}?sort_by={SECRET}", "sort_by"),
        (f"{LIST}?limit={SECRET}", "limit"),
        (f"{LIST}?limit=0", "limit"),
        (f"{LIST}?limit=501", "limit"),
        (f"{LIST}?limit={'9' * 5000}", "limit"),
        (f"{LIST}?cursor={SECRET}", "cursor"),
        (f"{LIST}?cursor=", "cursor"),
        (f"{LIST}?cursor={'A' * 3000}", "cursor"),
        (f"{LIST}?explain={SECRET}", "explain"),
        (f"{PERFORMANCE}?from={SECRET}&to=2026-01-01", "from"),
        (f"{ACTIVE}?limit={SECRET}", "limit"),
        (f"{ACTIVE}?cursor={SECRET}", "cursor"),
    ],
)
async def test_unknown_values_are_refused_and_never_repeated(
    client: httpx.AsyncClient, path: str, parameter: str
) -> None:
    answer = await client.get(path)

    assert answer.status_code == 422
    assert {error["parameter"] for error in answer.json()["errors"]} == {parameter}
    assert SECRET not in answer.text
    assert SECRET not in str(answer.headers)


async def test_all_that_is_wrong_is_told_at_once(client: httpx.AsyncClient) -> None:
    errors = await refused(client, f"{LIST}?limit=x&sort_by=y&as_of=z")

    assert [error["parameter"] for error in errors] == ["as_of", "limit", "sort_by"]


@pytest.mark.parametrize("name", ["limit", "sort_by", "cursor", "as_of", "explain"])
async def test_a_single_value_given_twice_is_refused(client: httpx.AsyncClient, name: str) -> None:
    errors = await refused(client, f"{LIST}?{name}=1&{name}=2")

    assert errors == [{"parameter": name, "detail": "is given more than once"}]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (f"{LIST}?risk_levels=critical", "risk_level"),
        (f"{LIST}?sortBy=risk_score", "sort_by"),
        (f"{LIST}?asof=2026-01-01", "as_of"),
        (f"{RISK}?include_dormants=true", "include_dormant"),
    ],
)
async def test_a_slip_of_the_pen_is_refused_with_the_name_that_was_meant(
    client: httpx.AsyncClient, path: str, meant: str
) -> None:
    errors = await refused(client, path)

    assert [error["parameter"] for error in errors] == [meant]


async def test_a_parameter_of_another_route_is_refused(client: httpx.AsyncClient) -> None:
    assert (await refused(client, f"{TRENDS}?days=90"))[0]["parameter"] == "days"
    assert (await refused(client, f"{RISK}?risk_level=critical"))[0]["parameter"] == "risk_level"


@pytest.mark.parametrize(
    "path",
    [
        f"{RISK}?_=1732100000&utm_source=x&{SECRET}=1",
        f"{ONE}?explain=true&include_dormant=true",
        "/api/v1/cliniko/status/org_xxx?limit=5&cursor=x",
        "/api/v1/cliniko/debug/contacts/org_xxx?limit=5",
    ],
)
async def test_names_that_mean_nothing_here_are_ignored(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01T10:00:00+11:00", "2026-02-28T23:00:00Z"),
        ("2026-03-01T10:00:00%2B11:00", "2026-02-28T23:00:00Z"),
        ("2026-03-01", "2026-03-01T12:59:59.999999Z"),
        ("2026-11-20", "2026-11-20T10:00:00Z"),  # today in Sydney
        ("2030-01-01", "2030-01-01T12:59:59.999999Z"),
    ],
)
async def test_every_read_takes_as_of_and_says_which_instant_it_was(
    client: httpx.AsyncClient, text: str, instant: str
) -> None:
    for path in (RISK, PERFORMANCE, TRENDS, LIST, ONE, ACTIVE):
        answer = await client.get(f"{path}?as_of={text}")
        assert answer.json()["as_of"] == instant
