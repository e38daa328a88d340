"""How tests change a clinic while it is being served."""

from typing import Any

import httpx
import pytest

from support.sandbox import Clinic
from unit.sandbox.small_clinic import KEY, Book, Hand

ADMIN = f"/admin/clinics/{KEY}"


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await client.post(f"{ADMIN}/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def test_records_are_made_in_either_form_with_any_field(client: httpx.AsyncClient) -> None:
    flat = await post(client, "records/recalls", patient_id="101", recall_type_id="R1", recall_at="2026-04-09")
    assert flat["patient"]["links"]["self"].endswith("/patients/101")
    linked = {"links": {"self": "https://api.au1.cliniko.com/v1/patients/102"}}
    old = await post(client, "records/medical_alerts", id="77", created_at="2020-01-01T10:00:00+10:00", patient=linked)
    assert (old["id"], old["created_at"]) == ("77", "2020-01-01T00:00:00Z")
    shown = (await client.get("/v1/medical_alerts/77")).json()
    assert shown["patient"]["links"]["self"] == "http://sandbox.test/v1/patients/102"


async def test_read_only_fields_can_be_changed_and_the_attendee_agrees(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand, book: Book
) -> None:
    appointment = book()
    clock.move(days=1)
    url = f"{ADMIN}/records/individual_appointments/{appointment}"
    changed = (await client.patch(url, json={"did_not_arrive": True, "starts_at": "2026-03-13T00:00:00Z"})).json()
    assert (changed["did_not_arrive"], changed["updated_at"]) == (True, "2026-03-13T02:00:00Z")
    (attendee,) = clinic.attendee_ids(appointment)
    assert clinic.body("attendees", attendee)["arrived"] is False
    told = (await client.patch(url, json={"notes": "x", "updated_at": "2026-03-01T00:00:00Z"})).json()
    assert told["updated_at"] == "2026-03-01T00:00:00Z"


async def test_an_appointment_is_cancelled_missed_and_archived(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    cancelled, missed, archived = (f"records/individual_appointments/{book()}" for _ in range(3))
    shown = await post(client, f"{cancelled}/cancel", reason=40, at="2026-03-01T00:00:00Z")
    assert (shown["cancelled_at"], shown["updated_at"]) == ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert (await post(client, f"{missed}/missed"))["did_not_arrive"] is True
    assert (await post(client, f"{missed}/arrived"))["patient_arrived"] is True
    assert (await post(client, f"{missed}/unmark"))["patient_arrived"] is None
    assert (await post(client, f"{archived}/archive"))["archived_at"] == "2026-03-12T02:00:00Z"
    assert (await client.post(f"{ADMIN}/{missed}/dance")).status_code == 404


async def test_a_hard_deleted_patient_vanishes_with_all_that_names_them(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand, book: Book
) -> None:
    appointment = book()
    session = clinic.create("group_appointments", {"starts_at": "2026-03-14T07:00:00Z"})
    clinic.create("attendees", {"booking_id": session, "patient_id": "101"})
    clinic.create("attendees", {"booking_id": session, "patient_id": "102"})
    clinic.create("medical_alerts", {"patient_id": "101", "name": "Asthma"})
    clinic.create("referral_sources", {"patient_id": "102", "referrer_type": "Patient", "referrer_id": "101"})
    await post(client, "reply", patient_id="101")
    twin = clinic.create("patients", {"first_name": "Zara"})
    clinic.merge(twin, "101")
    clock.move(minutes=1)
    assert (await client.delete(f"{ADMIN}/records/patients/101")).status_code == 204
    assert clinic.body("group_appointments", session)["patient_ids"] == ["102"]
    assert "101" not in repr([dict(collection) for collection in clinic.records.values()])
    assert appointment not in clinic
    assert twin not in clinic
    stones = (await client.get("/v1/patients/deleted", params={"q[]": "deleted_at:>2026-03-12T02:00:00Z"})).json()
    assert stones["patients"][0] == {
        "deleted_at": "2026-03-12T02:01:00Z",
        "links": {"self": "http://sandbox.test/v1/patients/101"},
    }
    assert stones["total_entries"] == 2
    assert (await client.get("/v1/patients/deleted?q[]=updated_at:?")).status_code == 400
    assert (await client.get("/v1/patients/101?q[]=archived_at:*")).status_code == 404


@pytest.mark.parametrize("moving", [False, True])
async def test_a_merge_archives_the_loser_and_says_into_whom(
    client: httpx.AsyncClient, clinic: Clinic, book: Book, moving: bool
) -> None:
    appointment = book("102")
    merged = await post(client, "patients/102/merge", into="101", move_records=moving)
    assert merged["archived_at"] == merged["merged_at"] == "2026-03-12T02:00:00Z"
    assert merged["merged_with_patient"]["links"]["self"].endswith("/patients/101")
    assert "merged" not in repr({k: v for k, v in clinic.body("patients", "101").items() if v})
    assert clinic.records["individual_appointments"][appointment]["patient_id"] == ("101" if moving else "102")


async def test_a_reply_is_a_communication_received(client: httpx.AsyncClient) -> None:
    filed = await post(client, "reply", patient_id="101", type="Email", content="Hello", at="2026-03-11T00:00:00Z")
    assert (filed["direction_description"], filed["type"], filed["created_at"]) == (
        "Received",
        "Email",
        "2026-03-11T00:00:00Z",
    )
    assert (await client.post(f"{ADMIN}/reply", json={"patient_id": "9"})).status_code == 404
    assert (await client.post(f"{ADMIN}/reply", json={"patient_id": "101", "type": "Fax"})).status_code == 400


async def test_a_clinic_is_loaded_and_replaced_while_running(client: httpx.AsyncClient) -> None:
    patient = (await client.get("/v1/patients/101")).json()
    put = await client.put("/admin/clinics/second-uk1", json={"cliniko": {"patients": [patient]}})
    assert put.status_code == 200
    shown = await client.get("/v1/patients/101", auth=("second", ""))
    assert shown.json() == patient
    assert (await client.put("/admin/clinics/x", json={"clinic": "nowhere"})).status_code == 400
    assert (await client.put("/admin/clinics/x", json={"clinic": "worked", "data": "/nowhere"})).status_code == 400
    assert (await client.put("/admin/clinics/x", json={"cliniko": {"pets": []}})).status_code == 400
    assert (await client.put("/admin/clinics/x", json={"cliniko": {"patients": [{"id": 1}]}})).status_code == 400
    keys = [each["key"] for each in (await client.get("/admin/clinics")).json()["clinics"]]
    assert keys == ["abc-def", "second"]
    assert (await client.delete("/admin/clinics/second")).status_code == 204
    assert (await client.get("/v1/user", auth=("second", ""))).status_code == 401


async def test_options_are_switched_while_running(client: httpx.AsyncClient, clinic: Clinic) -> None:
    changed = await client.patch(ADMIN, json={"options": {"recalls": False, "requests_per_minute": 5}})
    assert changed.json()["options"]["recalls"] is False
    assert clinic.options.requests_per_minute == 5
    for wrong in ({"nonsense": True}, {"recalls": 1}):
        assert (await client.patch(ADMIN, json={"options": wrong})).status_code == 400


async def test_unknown_things_are_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/clinics/nobody/records/patients")).status_code == 404
    assert (await client.get(f"{ADMIN}/records/pets")).status_code == 404
    assert (await client.patch(f"{ADMIN}/records/patients/9", json={"notes": "x"})).status_code == 404
    assert len((await client.get(f"{ADMIN}/records/patients")).json()["patients"]) == 2
