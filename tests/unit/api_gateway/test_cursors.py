"""Walking a list: every item once, and no cursor but for the walk that made it."""

import base64
import string
from typing import Any

import httpx
import pytest

from api_gateway.cursors import Cursors, Place, Walk
from api_gateway.errors import ProblemError
from unit.api_gateway.gateway import NOW, ORG, OTHER_ORG, PATIENTS, Gateway, token_of

LIST = f"/api/v1/reengagement/{ORG}/patients/prioritized"
ACTIVE = f"/api/v1/cliniko/active-patients/{ORG}"
CONTACTS = f"/api/v1/cliniko/contacts/{ORG}/with-appointments"
HOUR = 3_600_000_000


async def page(client: httpx.AsyncClient, path: str = LIST, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refusal(client: httpx.AsyncClient, path: str = LIST, **query: Any) -> str:
    answer = await client.get(path, params=query)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    return str(error["parameter"])


@pytest.mark.parametrize("limit", [1, 7, 40, 119, 120, 500])
async def test_a_walk_sees_every_item_once_and_ends_with_null(client: httpx.AsyncClient, limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        body = await page(client, limit=limit, **({"cursor": cursor} if cursor else {}))
        seen += [patient["id"] for patient in body["patients"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break

    assert seen == PATIENTS


async def test_the_first_pages_instant_goes_with_the_walk(client: httpx.AsyncClient, gateway: Gateway) -> None:
    first = await page(client, limit=10)
    gateway.clock.instant += HOUR

    second = await page(client, limit=10, cursor=first["next_cursor"])
    gateway.clock.instant += HOUR
    third = await page(client, limit=10, cursor=second["next_cursor"])

    assert first["as_of"] == second["as_of"] == third["as_of"]
    assert {asked["as_of"] for _, asked in gateway.readings.asked} == {NOW}


async def test_as_of_beside_a_cursor_is_left_out_or_the_same_moment(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    for moment in ("2026-11-20", "2026-03-01", "2026-03-01T10:00:00Z"):
        first = await page(client, limit=10, as_of=moment)
        gateway.clock.instant += HOUR
        cursor = (await page(client, limit=10, cursor=first["next_cursor"]))["next_cursor"]

        for same in (moment, first["as_of"]):
            assert (await page(client, limit=10, cursor=cursor, as_of=same))["as_of"] == first["as_of"]
        assert await refusal(client, cursor=cursor, as_of="2026-03-02") == "as_of"
        assert await refusal(client, cursor=cursor, as_of="2026-03-02T10:00:00Z") == "as_of"


async def test_a_walk_of_today_goes_on_after_midnight(client: httpx.AsyncClient, gateway: Gateway) -> None:
    first = await page(client, limit=10, as_of="2026-11-20")
    gateway.clock.instant += 24 * HOUR

    second = await page(client, limit=10, as_of="2026-11-20", cursor=first["next_cursor"])

    assert second["as_of"] == first["as_of"]


async def test_limit_and_explain_may_change_on_the_way(client: httpx.AsyncClient) -> None:
    cursor = (await page(client, limit=10))["next_cursor"]

    body = await page(client, limit=3, explain="true", cursor=cursor)

    assert [patient["id"] for patient in body["patients"]] == PATIENTS[10:13]


async def test_the_order_of_values_makes_no_other_query(client: httpx.AsyncClient) -> None:
    cursor = (await page(client, limit=10, risk_level="critical,high"))["next_cursor"]

    await page(client, risk_level=["high", "critical"], cursor=cursor)


@pytest.mark.parametrize(
    "other",
    [
        {"risk_level": "critical"},
        {"action_required": "missed_appt"},
        {"sort_by": "next_action_date"},
        {"include_dormant": "true"},
    ],
)
async def test_a_cursor_of_another_query_is_refused(client: httpx.AsyncClient, other: dict[str, str]) -> None:
    plain = (await page(client, limit=10))["next_cursor"]
    filtered = (await page(client, limit=10, **other))["next_cursor"]

    assert await refusal(client, cursor=plain, **other) == "cursor"
    assert await refusal(client, cursor=filtered) == "cursor"


async def test_a_cursor_of_another_list_or_organization_is_refused(client: httpx.AsyncClient) -> None:
    cursors = {path: (await page(client, path, limit=10))["next_cursor"] for path in (LIST, ACTIVE, CONTACTS)}

    for path in cursors:
        for source, cursor in cursors.items():
            if source != path:
                assert await refusal(client, path, cursor=cursor) == "cursor"
    answer = await client.get(
        LIST.replace(ORG, OTHER_ORG),
        params={"cursor": cursors[LIST]},
        headers={"Authorization": f"Bearer {token_of('staff', OTHER_ORG)}"},
    )
    assert answer.status_code == 422


async def test_no_altered_cursor_is_accepted(client: httpx.AsyncClient) -> None:
    cursor = (await page(client, limit=10))["next_cursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    for position in range(len(raw)):
        altered = bytearray(raw)
        altered[position] ^= 1
        text = base64.urlsafe_b64encode(bytes(altered)).decode().rstrip("=")
        assert await refusal(client, cursor=text) == "cursor"
    others = set(string.ascii_letters + string.digits + "-_") - {cursor[-1]}
    for text in (cursor[:-1], cursor[:10], cursor + "A", cursor + "=", cursor * 2, "ü" + cursor, "A"):
        assert await refusal(client, cursor=text) == "cursor"
    for last in sorted(others):
        assert await refusal(client, cursor=cursor[:-1] + last) == "cursor"


async def test_cursors_are_safe_in_urls_and_show_nothing(client: httpx.AsyncClient) -> None:
    cursor = (await page(client, limit=10))["next_cursor"]

    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert b"patient" not in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


async def test_gateways_with_the_same_secret_open_each_others_cursors(gateway: Gateway) -> None:
    async with gateway.client() as one, gateway.client() as another:
        cursor = (await page(one, limit=10))["next_cursor"]
        await page(another, limit=10, cursor=cursor)

    gateway.secret = b"another" * 5
    async with gateway.client() as stranger:
        assert await refusal(stranger, cursor=cursor) == "cursor"


def test_what_is_sealed_is_what_is_opened() -> None:
    cursors, walk = Cursors(b"k" * 32), Walk(ORG, "list", (["a"], True))
    place = Place(NOW, None, (1.5, "patient", None, [1, 2]))

    assert cursors.open(cursors.seal(walk, place), walk, moment=None) == place
    with pytest.raises(ProblemError):
        cursors.open(cursors.seal(walk, place), Walk(ORG, "list", (["a"], False)), moment=None)
