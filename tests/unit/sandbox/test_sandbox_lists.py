"""What lists show, hide, filter, order and link."""

from itertools import chain

import httpx
import pytest

from support.sandbox import Clinic
from unit.sandbox.small_clinic import Book, Hand


async def ids(client: httpx.AsyncClient, kind: str, *conditions: str, **more: object) -> list[str]:
    answer = await client.get(f"/v1/{kind}", params={"q[]": list(conditions), **more})  # type: ignore[dict-item]
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()[kind]]


async def walk(client: httpx.AsyncClient, url: str) -> list[list[str]]:
    pages = []
    while url:
        answer = (await client.get(url)).json()
        pages.append([each["id"] for each in answer["patients"]])
        url = answer["links"].get("next")
    return pages


def add_patients(clinic: Clinic, clock: Hand, count: int) -> list[str]:
    added = []
    for number in range(count):
        clock.move(seconds=1)
        added.append(clinic.create("patients", {"first_name": f"N{number}", "last_name": "X"}))
    return added


async def test_a_list_is_walked_by_its_links_in_order_of_creation(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand
) -> None:
    added = add_patients(clinic, clock, 5)
    first = (await client.get("/v1/patients?per_page=3&q[]=created_at:>=2026-01-01T00:00:00Z")).json()
    assert first["total_entries"] == 7
    assert "previous" not in first["links"]
    assert first["links"]["self"].startswith("http://sandbox.test/v1/patients?")
    pages = await walk(client, first["links"]["self"])
    assert pages == [["101", "102", added[0]], added[1:4], added[4:]]


async def test_pages_hold_50_records_or_as_many_as_asked_up_to_100(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand
) -> None:
    add_patients(clinic, clock, 130)
    assert len(await ids(client, "patients")) == 50
    assert len(await ids(client, "patients", per_page=500)) == 100
    assert await ids(client, "patients", page=9) == []


async def test_a_record_added_during_a_walk_repeats_or_joins_but_none_is_skipped(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand
) -> None:
    add_patients(clinic, clock, 4)
    url = "/v1/patients?per_page=2&q[]=updated_at:>=2025-01-01T00:00:00Z&q[]=archived_at:*"
    first = (await client.get(url)).json()
    seen = [each["id"] for each in first["patients"]]
    late = clinic.create("patients", {"created_at": "2025-01-01T00:00:00Z", "first_name": "Early"})
    clinic.update("patients", "102", {"notes": "moved"})
    rest = await walk(client, first["links"]["next"])
    assert {*seen, *chain(*rest)} >= set(clinic.records["patients"]) - {late}


async def test_archived_and_cancelled_are_hidden_and_lifted_separately(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    live, cancelled, archived, both = (book() for _ in range(4))
    for each in (cancelled, both):
        clinic.cancel("individual_appointments", each, reason=30, note=None)
    for each in (archived, both):
        clinic.archive("individual_appointments", each)
    kind = "individual_appointments"
    assert await ids(client, kind) == [live]
    assert await ids(client, kind, "cancelled_at:*") == [live, cancelled]
    assert await ids(client, kind, "archived_at:*") == [live, archived]
    assert await ids(client, kind, "archived_at:*", "cancelled_at:*") == [live, cancelled, archived, both]
    assert await ids(client, kind, "archived_at:?") == [archived]
    assert await ids(client, kind, "archived_at:!?", "cancelled_at:?") == [cancelled]


async def test_a_hidden_record_is_found_by_id_only_when_lifted(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    appointment = book()
    url = f"/v1/individual_appointments/{appointment}"
    assert (await client.get(url)).status_code == 200
    clinic.cancel("individual_appointments", appointment, reason=30, note=None)
    assert (await client.get(url)).status_code == 404
    assert (await client.get(url, params={"q[]": "archived_at:*"})).status_code == 404
    assert (await client.get(url, params={"q[]": "cancelled_at:*"})).status_code == 200
    assert (await client.get(url, params={"q[]": "patient_id:=101"})).status_code == 400


async def test_a_deleted_record_shows_when_it_or_the_archived_are_lifted(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    appointment = book(deleted_at="2026-03-01T00:00:00Z", archived_at="2026-03-01T00:00:00Z")
    assert await ids(client, "individual_appointments") == []
    assert await ids(client, "individual_appointments", "deleted_at:?") == [appointment]
    assert await ids(client, "individual_appointments", "archived_at:*") == [appointment]


async def test_deleted_records_can_need_a_lifter_of_their_own(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    appointment = book(deleted_at="2026-03-01T00:00:00Z")
    url, kind = f"/v1/individual_appointments/{appointment}", "individual_appointments"
    assert await ids(client, kind) == [appointment]
    clinic.options.deleted_are_hidden = True
    assert await ids(client, kind, "archived_at:*", "cancelled_at:*") == []
    assert await ids(client, kind, "deleted_at:*") == [appointment]
    assert (await client.get(url)).status_code == 404
    assert (await client.get(url, params={"q[]": "deleted_at:*"})).status_code == 200
    assert await ids(client, "patients") == ["101", "102"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("first_name:=Zara", ["101"]),
        ("first_name:!=Zara", ["102"]),
        ("last_name:~TEST", ["101"]),
        ("last_name:~~%pel", ["102"]),
        ("email:?", ["101", "102"]),
        ("preferred_first_name:!?", ["101", "102"]),
        ("id:=102,7", ["102"]),
        ("id:!=102", ["101"]),
        ("id:>101", ["102"]),
        ("id:<=101", ["101"]),
        ("date_of_birth:=****-07-**", ["101"]),
        ("date_of_birth:>1986-07-19", []),
        ("date_of_birth:<=1986-07-19", ["101"]),
        ("accepted_privacy_policy:=true", ["101"]),
        ("accepted_privacy_policy:!=true", ["102"]),
        ("created_at:>2026-01-01T00:00:00Z", []),
        ("created_at:>=2026-01-01T00:00:00Z", ["101", "102"]),
        ("created_at:>=2026-01-01T00:00:00.001Z", []),
        ("created_at:<=2026-01-01T11:00:00%2B11:00".replace("%2B", "+"), ["101", "102"]),
        ("created_at:*", ["101", "102"]),
    ],
)
async def test_filters_by_operator(client: httpx.AsyncClient, clinic: Clinic, condition: str, found: list[str]) -> None:
    clinic.update("patients", "101", {"date_of_birth": "1986-07-19", "accepted_privacy_policy": True})
    assert await ids(client, "patients", condition) == found


async def test_an_array_filter_finds_a_member(client: httpx.AsyncClient, clinic: Clinic) -> None:
    booked = clinic.create("group_appointments", {"patient_ids": ["101"], "starts_at": "2026-03-14T07:00:00Z"})
    assert await ids(client, "group_appointments", "patient_ids:~101") == [booked]
    assert await ids(client, "group_appointments", "patient_ids:~102") == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("phone:=1", "phone is not filterable"),
        ("deleted_at:*", "deleted_at is not filterable"),
        ("id:=abc", "Filter value for id must be a number"),
        ("updated_at:>=yesterday", "Filter value for updated_at must be a date-time"),
        ("updated_at:=2026-01-01T00:00:00Z", "Filter operator for updated_at is not supported"),
        ("accepted_privacy_policy:=maybe", "Filter value for accepted_privacy_policy must be a boolean"),
        ("date_of_birth:=tomorrow", "Filter value for date_of_birth must be a date"),
        ("archived_at:*x", "Filter operator * for archived_at takes no value"),
    ],
)
async def test_a_filter_that_cannot_be_is_a_400_with_its_reason(
    client: httpx.AsyncClient, condition: str, message: str
) -> None:
    answer = await client.get("/v1/patients", params={"q[]": condition})
    assert (answer.status_code, answer.json()) == (400, {"message": message})


async def test_q_without_brackets_counts_alone_and_is_ignored_when_repeated(client: httpx.AsyncClient) -> None:
    alone = await client.get("/v1/patients?q=first_name:=Zara")
    assert [each["id"] for each in alone.json()["patients"]] == ["101"]
    repeated = await client.get("/v1/patients?q=first_name:=Zara&q=last_name:=Nobody")
    assert [each["id"] for each in repeated.json()["patients"]] == ["101", "102"]


async def test_lists_are_sorted_as_asked(client: httpx.AsyncClient, clinic: Clinic) -> None:
    assert await ids(client, "patients", sort="first_name") == ["102", "101"]
    assert await ids(client, "patients", sort="created_at,first_name:desc") == ["101", "102"]
    (newest,) = add_patients(clinic, Hand(), 1)
    assert (await ids(client, "patients", order="desc"))[0] == newest
    assert (await ids(client, "patients", sort="date_of_birth:desc,created_at:desc"))[0] == newest
    assert (await client.get("/v1/patients?sort=patient_phone_numbers")).status_code == 400


async def test_every_answer_stays_right_while_records_change(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand
) -> None:
    recent = "updated_at:>=2026-03-12T02:00:01Z"
    assert await ids(client, "patients", recent) == []
    clock.move(seconds=5)
    clinic.update("patients", "102", {"notes": "rang"})
    assert await ids(client, "patients", recent) == ["102"]
    clinic.archive("patients", "102")
    assert await ids(client, "patients", recent) == []
    assert await ids(client, "patients", recent, "archived_at:*") == ["102"]
    clinic.delete("patients", "102")
    assert await ids(client, "patients", recent, "archived_at:*") == []


async def test_practitioners_who_left_are_listed_apart(client: httpx.AsyncClient) -> None:
    assert await ids(client, "practitioners") == ["P1"]
    assert await ids(client, "practitioners", "active:=false") == ["P2"]
    left = (await client.get("/v1/practitioners/inactive")).json()
    assert [each["id"] for each in left["practitioners"]] == ["P2"]


async def test_recalls_lead_nowhere_when_the_account_has_none(client: httpx.AsyncClient, clinic: Clinic) -> None:
    assert (await client.get("/v1/recalls")).status_code == 200
    clinic.options.recalls = False
    for kind in ("recalls", "recall_types"):
        answer = await client.get(f"/v1/{kind}")
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")


async def test_lists_under_a_record_hold_its_own(client: httpx.AsyncClient, clinic: Clinic, book: Book) -> None:
    mine, other = book(), book("102")
    answer = (await client.get(f"/v1/individual_appointments/{mine}/attendees")).json()
    assert [each["id"] for each in answer["attendees"]] == clinic.attendee_ids(mine)
    alert = clinic.create("medical_alerts", {"patient_id": "101", "name": "Latex allergy"})
    answer = (await client.get("/v1/patients/101/medical_alerts")).json()
    assert [each["id"] for each in answer["medical_alerts"]] == [alert]
    assert (await client.get("/v1/patients/101/referral_source")).status_code == 404
    clinic.create("referral_sources", {"patient_id": "101", "referral_source_type_id": "S1"})
    source = (await client.get("/v1/patients/101/referral_source")).json()
    assert source["links"]["self"] == "http://sandbox.test/v1/patients/101/referral_source"
    both = (await client.get("/v1/bookings?q[]=patient_ids:~102")).json()
    assert [each["id"] for each in both["bookings"]] == [other]
    one = (await client.get(f"/v1/bookings/{mine}")).json()
    assert one["links"]["self"] == f"http://sandbox.test/v1/bookings/{mine}"
