"""The client's manners, on a transport that stands in for Cliniko."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ingestor import cliniko as client
from ingestor.cliniko import Cliniko, Question
from ingestor.errors import (
    ClinikoError,
    ForeignLinkError,
    LeaseLostError,
    NotFilterableError,
    NotThereError,
    RefusedError,
    UnavailableError,
)
from rules.instants import SECOND

BASE = "https://api.au1.cliniko.com/v1"
PATIENTS = Question("/patients", "patients", ("updated_at:>=2026-01-01T00:00:00Z", "archived_at:*"))
NOW = 1_800_000_000

Handler = Callable[[httpx.Request], httpx.Response]


class FakeClock:
    def now(self) -> int:
        return NOW * SECOND

    def monotonic(self) -> float:
        return 0.0


class FakeBudget:
    def __init__(self) -> None:
        self.taken = 0
        self.held: list[float] = []

    async def take(self) -> None:
        self.taken += 1

    async def hold(self, seconds: float) -> None:
        self.held.append(seconds)


class World:
    """A client, what it asked, and how long it slept."""

    def __init__(self, handler: Handler, *, may_ask: Callable[[], None] = lambda: None, base: str = BASE) -> None:
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []
        self.budget = FakeBudget()

        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            return handler(request)

        self.cliniko = Cliniko(
            httpx.AsyncClient(transport=httpx.MockTransport(answer)),
            base_url=base,
            api_key="some-secret-key-au1",
            contact_email="ops@example.com",
            budget=self.budget,
            clock=FakeClock(),
            may_ask=may_ask,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def items(self, question: Question = PATIENTS) -> list[Any]:
        return [item async for page in self.cliniko.pages(question) for item in page.items]


def listed(*items: Any, next_url: Any = None, **headers: str) -> httpx.Response:
    links = {"self": f"{BASE}/patients"} | ({} if next_url is None else {"next": next_url})
    return httpx.Response(200, json={"patients": items, "total_entries": 3, "links": links}, headers=headers)


def in_turn(*answers: httpx.Response | Exception) -> Handler:
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        told = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(told, Exception):
            raise told
        return told

    return answer


async def test_it_says_who_asks_and_for_what():
    world = World(in_turn(listed({"id": "1"})))
    assert await world.items() == [{"id": "1"}]
    (request,) = world.asked
    assert request.headers["user-agent"] == "Reengage (ops@example.com)"
    assert request.headers["accept"] == "application/json"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"some-secret-key-au1:"
    assert request.url.params.multi_items() == [
        ("per_page", "100"),
        ("q[]", "updated_at:>=2026-01-01T00:00:00Z"),
        ("q[]", "archived_at:*"),
    ]
    assert b"q%5B%5D=" in request.url.query


async def test_it_follows_the_next_link_as_given_with_credentials_of_its_own():
    world = World(in_turn(listed({"id": "1"}, next_url=f"{BASE}/patients?page=2&q%5B%5D=x"), listed({"id": "2"})))
    assert await world.items() == [{"id": "1"}, {"id": "2"}]
    assert str(world.asked[1].url) == f"{BASE}/patients?page=2&q%5B%5D=x"
    assert world.asked[1].headers["authorization"]
    assert world.budget.taken == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/patients?page=2",
        "https://api.au1.cliniko.com.evil.example/v1/patients",
        "http://api.au1.cliniko.com/v1/patients?page=2",
        "https://api.au1.cliniko.com:8443/v1/patients?page=2",
        "https://api.au2.cliniko.com/v1/patients?page=2",
        "https://user:pass@api.au1.cliniko.com/v1/patients",
        "https://api.au1.cliniko.com/v2/patients",
        "/v1/patients?page=2",
        "https://[broken/v1/",
        f"{BASE}/../admin/zzz",
        f"{BASE}/patients/../../admin",
        f"{BASE}/..",
        f"{BASE}/./patients",
        f"{BASE}/%2e%2e/admin",
        f"{BASE}/%2E./admin",
        f"{BASE}/%252e%252e/admin",
        f"{BASE}/..%2fadmin",
        f"{BASE}/..\\admin",
        f"{BASE}/%5c..%5cadmin",
        f"{BASE}//evil.example/patients",
        f"{BASE}/patients;/../../admin?page=2",
    ],
)
async def test_a_next_link_that_leads_elsewhere_is_not_followed(url: Any):
    world = World(in_turn(listed({"id": "1"}, next_url=url)))
    with pytest.raises(ForeignLinkError, match="outside of"):
        await world.items()
    assert len(world.asked) == 1


@pytest.mark.parametrize("url", [17, f"{BASE}/patients?page=\x01", f"{BASE}/patients\n", f"{BASE}/{'x' * 70_000}"])
async def test_a_next_link_that_is_no_url_is_told_as_that(url: Any):
    world = World(in_turn(listed({"id": "1"}, next_url=url)))
    with pytest.raises(ForeignLinkError, match="a page of /patients links to a next page that is no URL"):
        await world.items()
    assert len(world.asked) == 1


async def test_a_next_link_may_ask_whatever_it_likes():
    url = f"{BASE}/individual_appointments?q%5B%5D=a:..%2f..&page=2#../x"
    world = World(in_turn(listed({"id": "1"}, next_url=url), listed({"id": "2"})))
    assert await world.items() == [{"id": "1"}, {"id": "2"}]


async def test_a_next_link_that_leads_in_a_circle_ends():
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", 1)) % 2 + 1
        return listed({"id": str(page)}, next_url=f"{BASE}/patients?page={page}")

    world = World(answer)
    with pytest.raises(UnavailableError, match="circle"):
        await world.items()


async def test_a_redirect_is_not_followed():
    world = World(in_turn(httpx.Response(302, headers={"location": "https://evil.example/"})))
    with pytest.raises(ClinikoError, match="302"):
        await world.items()
    assert len(world.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_final_at_once(status: int):
    world = World(in_turn(httpx.Response(status, text="<html>no</html>")))
    with pytest.raises(RefusedError, match=f"/patients with {status}"):
        await world.items()
    assert (len(world.asked), world.slept) == (1, [])


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, text="<html>oops</html>"),
        httpx.Response(503),
        httpx.Response(408),
        httpx.Response(200, text="<html>hello</html>", headers={"content-type": "text/html"}),
        httpx.Response(200, json=["not an object"]),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("away"),
        httpx.RemoteProtocolError("cut"),
    ],
)
async def test_trouble_is_tried_again_after_growing_pauses_with_jitter(trouble: httpx.Response | Exception):
    world = World(in_turn(trouble, trouble, listed({"id": "1"})))
    assert await world.items() == [{"id": "1"}]
    first, second = world.slept
    assert 0.5 <= first <= 1.0 <= second <= 2.0
    assert world.budget.taken == 3, "every try counts"


async def test_trouble_that_lasts_is_given_up():
    world = World(in_turn(httpx.ReadTimeout("secret path")))
    with pytest.raises(UnavailableError) as given_up:
        await world.items()
    assert len(world.asked) == client.ATTEMPTS
    assert "secret" not in str(given_up.value)


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"x-ratelimit-reset": str(NOW + 30)}, 30),
        ({"x-ratelimit-reset": str(NOW + 30), "retry-after": "5"}, 30),
        ({"retry-after": "7"}, 7),
        ({"x-ratelimit-reset": "soon", "retry-after": "7"}, 7),
        ({}, 60),
        *(({"x-ratelimit-reset": odd, "retry-after": "7"}, 7) for odd in ("nan", "inf", "-inf", "-5", "1e999", "")),
        *(({"x-ratelimit-reset": odd, "retry-after": odd}, 60) for odd in ("nan", "inf", "-inf", "-5", "NaN")),
        ({"x-ratelimit-reset": str(NOW + 30), "date": "Fri, 31 Dec 9999 23:59:59 -2359"}, 30),
        ({"x-ratelimit-reset": str(NOW + 30), "date": "Fri, 15 Jan 2027 09:00:00 +9999999999999999"}, 30),
        ({"x-ratelimit-reset": str(NOW - 30)}, 0),
        ({"x-ratelimit-reset": str(NOW + 100_000)}, 120),
        ({"x-ratelimit-reset": str(NOW + 3_630), "date": "Fri, 15 Jan 2027 09:00:00 GMT"}, 30),
    ],
)
async def test_after_429_it_waits_as_it_is_told_and_makes_all_others_wait(headers: dict[str, str], least: float):
    world = World(in_turn(httpx.Response(429, headers=headers), listed({"id": "1"})))
    assert await world.items() == [{"id": "1"}]
    (slept,) = world.slept
    assert least < slept <= least + 1
    assert world.budget.held == [slept]


async def test_429_for_ever_is_given_up():
    world = World(in_turn(httpx.Response(429, headers={"retry-after": "1"})))
    with pytest.raises(UnavailableError, match="429"):
        await world.items()
    assert len(world.asked) == client.ATTEMPTS_WHEN_BUSY


async def test_an_html_404_is_a_list_that_is_not_there():
    world = World(in_turn(httpx.Response(404, text="<html>404</html>", headers={"content-type": "text/html"})))
    with pytest.raises(NotThereError):
        await world.items()


async def test_a_400_says_that_the_list_cannot_be_asked_so():
    world = World(in_turn(httpx.Response(400, text="This column is not searchable.")))
    with pytest.raises(NotFilterableError):
        await world.items()


@pytest.mark.parametrize("status", [400, 404])
async def test_a_list_that_ends_with_an_error_after_some_pages_is_trouble(status: int):
    world = World(in_turn(listed({"id": "1"}, next_url=f"{BASE}/patients?page=2"), httpx.Response(status)))
    with pytest.raises(UnavailableError):
        await world.items()


@pytest.mark.parametrize("body", [{}, {"patients": None}, {"patients": {"id": "1"}}])
async def test_an_answer_without_the_list_is_trouble(body: Any):
    world = World(in_turn(httpx.Response(200, json=body)))
    with pytest.raises(UnavailableError, match="no list"):
        await world.items()


async def test_a_page_tells_the_total_only_where_it_is_a_number():
    def answer(total: Any) -> Handler:
        return in_turn(httpx.Response(200, content=json.dumps({"patients": [], "total_entries": total}).encode()))

    for told, expected in ((3, 3), ("3", None), (None, None)):
        pages = [page async for page in World(answer(told)).cliniko.pages(PATIENTS)]
        assert [page.total for page in pages] == [expected]


async def test_a_record_by_id_is_asked_for_with_its_lifter_and_may_be_missing():
    world = World(in_turn(httpx.Response(200, json={"id": "1"}), httpx.Response(404)))
    page = await world.cliniko.record("patients", "1/../2", ("archived_at:*",))
    assert page is not None
    assert page.items == [{"id": "1"}]
    assert world.asked[0].url.raw_path == b"/v1/patients/1%2F..%2F2?q%5B%5D=archived_at%3A%2A"
    assert await world.cliniko.record("patients", "1") is None


async def test_before_every_request_it_is_asked_whether_the_key_may_be_used():
    left = [None, None]

    def may_ask() -> None:
        if not left:
            raise LeaseLostError("gone")
        left.pop()

    world = World(in_turn(httpx.Response(500)), may_ask=may_ask)
    with pytest.raises(LeaseLostError):
        await world.items()
    assert len(world.asked) == 2


async def test_what_cliniko_s_clock_says_is_known():
    world = World(in_turn(listed(date="Fri, 15 Jan 2027 08:00:00 GMT")))
    await world.items()
    assert world.cliniko.server_time == NOW * SECOND
    nonsense = World(in_turn(listed(date="today")))
    await nonsense.items()
    assert nonsense.cliniko.server_time is None
