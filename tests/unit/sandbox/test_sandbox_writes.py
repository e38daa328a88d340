"""What a client may write, and what comes of it."""

import httpx
import pytest

from support.sandbox import Clinic
from unit.sandbox.small_clinic import Book, Hand

BOOKING = {
    "patient_id": "101",
    "business_id": "B1",
    "practitioner_id": "P1",
    "appointment_type_id": "T1",
    "starts_at": "2026-03-16T22:30:00Z",
}


async def test_a_new_patient_is_shown_whole_with_an_id_beyond_what_floats_hold(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/patients",
        json={
            "first_name": "New",
            "last_name": "Person",
            "id": "7",
            "archived_at": "2026-01-01T00:00:00Z",
            "unsubscribe_sms_marketing": True,
            "patient_phone_numbers": [{"number": "0491 570 156", "phone_type": "Mobile"}],
        },
    )
    assert answer.status_code == 201
    patient = answer.json()
    assert answer.headers["location"] == patient["links"]["self"]
    assert isinstance(patient["id"], str)
    assert int(patient["id"]) > 2**53
    assert patient["label"] == "New Person"
    assert patient["archived_at"] is None
    assert patient["accepted_sms_marketing"] is False
    assert patient["patient_phone_numbers"][0]["normalized_number"] == "61491570156"
    assert (patient["occupation"], patient["pronouns"]) == ("", None)
    assert "merged_with_patient" not in patient


async def test_a_booking_has_its_end_its_one_attendee_and_is_the_patients_latest(client: httpx.AsyncClient) -> None:
    booked = (await client.post("/v1/individual_appointments", json=BOOKING)).json()
    assert booked["ends_at"] == "2026-03-16T23:15:00Z"
    assert booked["patient_name"] == "Zara Testerton"
    assert (booked["patient_arrived"], booked["did_not_arrive"]) == (False, False)
    assert (booked["repeat_rule"], booked["repeats"]) == ({}, None)
    assert booked["cancellation_reason_description"] == ""
    assert "patient_case" not in booked
    assert "repeated_from" not in booked
    listed = (await client.get("/v1/attendees", params={"q[]": f"booking_id:={booked['id']}"})).json()
    (attendee,) = listed["attendees"]
    assert attendee["arrived"] is None
    assert attendee["booking"]["links"]["self"] == f"http://sandbox.test/v1/bookings/{booked['id']}"
    patient = (await client.get("/v1/patients/101")).json()
    assert patient["latest_booking"]["links"]["self"].endswith(booked["id"])
    assert patient["updated_at"] == "2026-01-01T00:00:00Z"


async def test_what_cannot_be_written_is_a_422_with_the_reason_per_field(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/individual_appointments", json=BOOKING | {"patient_id": "999", "starts_at": "soon"})
    assert answer.status_code == 422
    assert answer.json() == {
        "message": "Validation Failed",
        "errors": {"patient_id": "must exist", "starts_at": "is invalid"},
    }
    answer = await client.post("/v1/patients", json={"first_name": "Only"})
    assert answer.json()["errors"] == {"last_name": "can't be blank"}
    assert (await client.post("/v1/patients", content=b"[]")).status_code == 400
    assert (await client.post("/v1/patients", content=b"{")).status_code == 400


async def test_an_attribute_that_is_not_writable_is_ignored(client: httpx.AsyncClient, book: Book) -> None:
    url = f"/v1/individual_appointments/{book()}"
    answer = await client.patch(url, json={"did_not_arrive": True, "notes": "late"})
    assert answer.status_code == 200
    assert (answer.json()["did_not_arrive"], answer.json()["notes"]) == (False, "late")
    assert (await client.put(url, json={"notes": "later"})).json()["notes"] == "later"


async def test_a_change_moves_updated_at_and_no_change_does_not(client: httpx.AsyncClient, clock: Hand) -> None:
    clock.move(hours=1)
    answer = await client.patch("/v1/patients/101", json={"first_name": "Zara"})
    assert answer.json()["updated_at"] == "2026-01-01T00:00:00Z"
    answer = await client.patch("/v1/patients/101", json={"first_name": "Zora"})
    assert (answer.json()["updated_at"], answer.json()["label"]) == ("2026-03-12T03:00:00Z", "Zora Testerton")


@pytest.mark.parametrize("touching", [False, True])
async def test_an_attendees_mark_drives_the_appointments_pair(
    client: httpx.AsyncClient, clinic: Clinic, clock: Hand, book: Book, touching: bool
) -> None:
    clinic.options.marks_touch_appointments = touching
    appointment = book()
    (attendee,) = clinic.attendee_ids(appointment)
    clock.move(minutes=5)
    for arrived, pair in ((False, (False, True)), (True, (True, False)), (None, (None, None))):
        marked = await client.patch(f"/v1/attendees/{attendee}", json={"arrived": arrived})
        assert marked.json()["arrived"] is arrived
        shown = (await client.get(f"/v1/individual_appointments/{appointment}")).json()
        assert (shown["patient_arrived"], shown["did_not_arrive"]) == pair
    assert marked.json()["updated_at"] == "2026-03-12T02:05:00Z"
    assert shown["updated_at"] == ("2026-03-12T02:05:00Z" if touching else "2026-03-12T02:00:00Z")


async def test_cancelling_needs_a_reason_reaches_the_attendee_and_is_final(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    appointment = book()
    url = f"/v1/individual_appointments/{appointment}/cancel"
    answer = await client.patch(url, json={"cancellation_note": "?"})
    assert answer.json()["errors"] == {"cancellation_reason": "can't be blank"}
    assert (await client.patch(url, json={"cancellation_reason": 31})).status_code == 422
    assert (await client.patch(url, json={"cancellation_reason": 30})).status_code == 204
    assert (await client.patch(url, json={"cancellation_reason": 40})).status_code == 422
    shown = clinic.body("individual_appointments", appointment)
    assert (shown["cancelled_at"], shown["cancellation_reason_description"]) == ("2026-03-12T02:00:00Z", "Sick")
    (attendee,) = clinic.attendee_ids(appointment)
    assert clinic.body("attendees", attendee)["cancelled_at"] == "2026-03-12T02:00:00Z"


async def test_a_series_is_cancelled_from_one_of_it_on(client: httpx.AsyncClient, clinic: Clinic, book: Book) -> None:
    first = book(days=1, repeat_rule={"number_of_repeats": 2, "repeat_type": "Weekly", "repeating_interval": 1})
    second, third = (book(days=days, repeated_from_id=first) for days in (8, 15))
    answer = await client.patch(
        f"/v1/individual_appointments/{second}/cancel",
        json={"cancellation_reason": 50, "apply_to_repeats": True},
    )
    assert answer.status_code == 204
    records = clinic.records["individual_appointments"]
    assert [bool(records[each].get("cancelled_at")) for each in (first, second, third)] == [False, True, True]
    shown = clinic.body("individual_appointments", first)
    assert shown["repeats"]["links"]["self"].endswith(f"individual_appointments?q[]=repeated_from_id:={first}")


async def test_a_place_in_a_class_is_taken_and_cancelled_at_the_attendee(
    client: httpx.AsyncClient, clinic: Clinic, book: Book
) -> None:
    asked = {name: value for name, value in BOOKING.items() if name != "patient_id"}
    booked = (await client.post("/v1/group_appointments", json=asked)).json()
    place = await client.post("/v1/attendees", json={"booking_id": booked["id"], "patient_id": "102"})
    assert place.status_code == 201
    assert clinic.body("group_appointments", booked["id"])["patient_ids"] == ["102"]
    url = f"/v1/attendees/{place.json()['id']}"
    assert (await client.patch(f"{url}/cancel", json={"cancellation_reason": 40})).status_code == 204
    assert (await client.get(url)).status_code == 404
    (own,) = clinic.attendee_ids(book())
    assert (await client.patch(f"/v1/attendees/{own}/cancel", json={"cancellation_reason": 40})).status_code == 422


async def test_deleting_archives_and_a_patient_can_be_brought_back(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/v1/patients/101")).status_code == 204
    assert (await client.get("/v1/patients/101")).status_code == 404
    assert (await client.get("/v1/patients/101?q[]=archived_at:*")).json()["archived_at"] == "2026-03-12T02:00:00Z"
    assert (await client.post("/v1/patients/101/unarchive")).json()["archived_at"] is None
    assert (await client.post("/v1/patients/102/archive")).status_code == 204
    assert (await client.post("/v1/patients/999/archive")).status_code == 404


async def test_only_a_memo_can_be_filed_as_a_communication(client: httpx.AsyncClient) -> None:
    memo = {
        "patient_id": "101",
        "type_code": 3,
        "direction_code": 1,
        "content": "Left a voicemail.",
        "from": "Front desk",
        "to": "Zara",
    }
    filed = (await client.post("/v1/communications", json=memo)).json()
    assert (filed["type"], filed["category"], filed["direction_description"]) == ("Phone call", "Memo", "Sent")
    assert (await client.post("/v1/communications", json=memo | {"category_code": 7})).status_code == 422
    assert (await client.post("/v1/appointment_types", json={"name": "X"})).status_code == 404


@pytest.mark.parametrize("touching", [False, True])
async def test_a_new_alert_moves_the_patient_only_if_told_to(
    client: httpx.AsyncClient, clinic: Clinic, touching: bool
) -> None:
    clinic.options.parts_touch_patients = touching
    made = await client.post("/v1/medical_alerts", json={"patient_id": "101", "name": "Pacemaker"})
    assert made.status_code == 201
    moved = clinic.records["patients"]["101"]["updated_at"] != "2026-01-01T00:00:00Z"
    assert moved is touching
