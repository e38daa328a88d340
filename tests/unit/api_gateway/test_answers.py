"""ETags stand as long as the numbers do, and save sending them again."""

import httpx
import pytest

from api_gateway.answers import etag_of, matches
from unit.api_gateway.gateway import ORG, Gateway

RISK = f"/api/v1/reengagement/{ORG}/risk-metrics"
LIST = f"/api/v1/reengagement/{ORG}/patients/prioritized?limit=5"
STATUS = f"/api/v1/cliniko/status/{ORG}"


@pytest.mark.parametrize("path", [RISK, LIST, STATUS])
async def test_the_etag_stands_while_time_passes_and_falls_with_a_number(
    client: httpx.AsyncClient, gateway: Gateway, path: str
) -> None:
    first = await client.get(path)
    gateway.clock.instant += 60_000_000
    gateway.readings.changes = {"last_updated": "2026-11-20T10:01:00Z", "lag_seconds": 150, "timestamp": "x"}
    later = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    gateway.readings.changes = {"total_contacts": 5, "dormant": 7, "summary": {}}
    changed = await client.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["etag"].startswith('W/"')
    assert later.status_code == 304
    assert later.content == b""
    assert later.headers["etag"] == first.headers["etag"]
    assert later.headers["cache-control"] == "private, no-cache"
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_another_query_has_another_etag_where_the_numbers_differ(client: httpx.AsyncClient) -> None:
    one, two = await client.get(LIST), await client.get(LIST.replace("limit=5", "limit=6"))

    assert one.headers["etag"] != two.headers["etag"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (" * ", True),
        ('W/"abc"', True),
        ('"abc"', True),
        ('"x", W/"abc"', True),
        ('W/"x",W/"abc" , "y"', True),
        ('W/"x"', False),
        ("abc", False),
        ('W/"ab"', False),
        ('"abcd"', False),
        ('W/"a,b", "abc"', True),
    ],
)
def test_if_none_match_is_a_list_by_weak_comparison(header: str | None, expected: bool) -> None:
    assert matches(header, 'W/"abc"') is expected


async def test_several_if_none_match_headers_count_together(client: httpx.AsyncClient) -> None:
    etag = (await client.get(RISK)).headers["etag"]

    answer = await client.get(RISK, headers=[("If-None-Match", '"x"'), ("If-None-Match", etag)])

    assert answer.status_code == 304


async def test_a_star_and_an_etag_do_not_hide_a_refusal(client: httpx.AsyncClient) -> None:
    star = {"If-None-Match": "*"}

    assert (await client.get(RISK, headers=star)).status_code == 304
    assert (await client.get(f"{RISK}?as_of=x", headers=star)).status_code == 422
    assert (await client.get(f"/api/v1/reengagement/{ORG}/patients/unknown", headers=star)).status_code == 404


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    got, head = await client.get(RISK), await client.head(RISK)

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content))
    assert head.headers["etag"] == got.headers["etag"]
    assert (await client.head(RISK, headers={"If-None-Match": got.headers["etag"]})).status_code == 304
    assert (await client.head("/nowhere")).status_code == 404


def test_the_etag_is_of_the_body_without_its_stamps() -> None:
    body = {"a": 1, "as_of": "x", "next_cursor": "y"}

    assert etag_of(body) == etag_of({"a": 1, "as_of": "z", "next_cursor": "zz"})
    assert etag_of(body) != etag_of({"a": 2, "as_of": "x", "next_cursor": "y"})
    assert etag_of(body) != etag_of({"a": 1, "as_of": "x", "next_cursor": None})
