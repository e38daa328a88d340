"""Cliniko's records in every shape they come in: what they say, and what is nonsense."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestor.fields import UntranslatableError, ident, linked
from ingestor.records import KINDS, Attendee, IndividualAppointment, Patient, as_fields, from_fields
from ingestor.translate import deleted_patient, translate
from rules.instants import parse_instant

AT = "2026-03-01T01:02:03Z"
LATER = "2026-03-12T00:45:10Z"
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "reference" / "cliniko-samples.json"


def link(path: str) -> dict[str, Any]:
    return {"links": {"self": f"https://api.au1.cliniko.com/v1/{path}"}}


def a_patient(**fields: Any) -> Patient:
    record = translate("patients", {"id": "1", "created_at": AT, "updated_at": AT, **fields})
    assert isinstance(record, Patient)
    return record


@pytest.mark.parametrize("unset", [{}, {"email": None}, {"email": ""}, {"email": "  "}])
def test_blank_null_and_absent_are_alike(unset: dict[str, Any]):
    assert a_patient(**unset) == a_patient()


def test_ids_are_text_also_where_they_came_as_numbers():
    assert a_patient(id=1508812345678901201).id == "1508812345678901201"
    assert [ident(value) for value in (True, "", None, 1.5, [], "x" * 91)] == [None] * 6


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ({}, None),
        ({"patient": None}, None),
        ({"patient": {}}, None),
        ({"patient": {"links": None}}, None),
        ({"patient": {"links": {"self": None}}}, None),
        ({"patient": "1"}, None),
        ({"patient": link("patients/17")}, "17"),
        ({"patient": link("patients/17/?x=1")}, "17"),
        ({"patient": link("patients/a%2Fb%20c")}, "a/b c"),
        ({"patient": link("patients/9377952927E-5")}, "9377952927E-5"),
        ({"patient": {"links": {"self": ""}}}, None),
    ],
)
def test_a_relation_that_is_missing_in_any_way_is_none(relation: dict[str, Any], expected: str | None):
    assert linked(relation, "patient") == expected


def number(text: Any, kind: Any) -> dict[str, Any]:
    return {"number": text, "normalized_number": "61491570156", "phone_type": kind}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (None, None),
        ([], None),
        ([number("02 5550", "Fax")], None),
        ([number("02 5550", "Fax"), number("03 5550", "Work")], "03 5550"),
        ([number("03 5550", "Home"), number("0491 570 156", "Mobile")], "0491 570 156"),
        ([number("0491 570 156", "Mobile"), number("0491 570 157", "Mobile")], "0491 570 156"),
        ([number("", "Mobile"), number("03 5550", None)], "03 5550"),
        ([number(491570156, "Mobile")], "491570156"),
        ([None, "x", {}], None),
        ("0491", None),
    ],
)
def test_the_phone_is_the_first_mobile_else_the_first_that_is_no_fax(numbers: Any, expected: str | None):
    assert a_patient(patient_phone_numbers=numbers).phone == expected


def test_a_patient_is_gone_from_the_earlier_of_archived_and_deleted():
    assert a_patient(archived_at=LATER, deleted_at=AT).archived_at == parse_instant(AT)
    assert a_patient(archived_at="", deleted_at=None).archived_at is None


def test_a_merged_patient_names_the_survivor():
    merged = a_patient(merged_at=AT, merged_with_patient=link("patients/2"))
    assert (merged.merged_at, merged.merged_into) == (parse_instant(AT), "2")


@pytest.mark.parametrize(
    ("pair", "arrived", "missed"),
    [
        ({}, False, False),
        ({"patient_arrived": False, "did_not_arrive": False}, False, False),
        ({"patient_arrived": None, "did_not_arrive": None}, False, False),
        ({"patient_arrived": True, "did_not_arrive": False}, True, False),
        ({"patient_arrived": False, "did_not_arrive": True}, False, True),
    ],
)
def test_an_unmarked_appointment_is_no_missed_one(pair: dict[str, Any], arrived: bool, missed: bool):
    raw = {"id": "1", "created_at": AT, "updated_at": AT, "starts_at": AT, **pair}
    record = translate("individual_appointments", raw)
    assert isinstance(record, IndividualAppointment)
    assert (record.arrived, record.did_not_arrive) == (arrived, missed)


@pytest.mark.parametrize("mark", [True, False, None, "", "yes"])
def test_an_attendees_mark_has_three_states(mark: Any):
    record = translate("attendees", {"id": "1", "created_at": AT, "updated_at": AT, "arrived": mark})
    assert isinstance(record, Attendee)
    assert record.arrived is (mark if isinstance(mark, bool) else None)


@pytest.mark.parametrize(
    ("fields", "received"),
    [
        ({"direction_code": 2, "direction_description": "Received"}, True),
        ({"direction_code": 1, "direction_description": "Sent"}, False),
        ({"direction_code": None, "direction_description": "Received"}, True),
        ({"direction_description": "Sent"}, False),
        ({}, False),
    ],
)
def test_a_communication_says_whether_it_was_received(fields: dict[str, Any], received: bool):
    record = translate("communications", {"id": "1", "created_at": AT, "updated_at": AT, **fields})
    assert as_fields(record)["received"] is received


@pytest.mark.parametrize(
    ("fields", "channel"),
    [
        ({"type_code": 1, "type": "SMS"}, "sms"),
        ({"type_code": 2}, "email"),
        ({"type": "Phone call"}, "phone"),
        ({"type": "Carrier pigeon"}, "carrier pigeon"),
        ({"type": ""}, None),
    ],
)
def test_a_communication_says_by_which_way(fields: dict[str, Any], channel: str | None):
    record = translate("communications", {"id": "1", "created_at": AT, "updated_at": AT, **fields})
    assert as_fields(record)["channel"] == channel


def test_one_of_two_time_stamps_stands_in_for_the_other():
    only_updated = translate("recalls", {"id": "1", "updated_at": LATER, "recall_at": "2026-04-09"})
    assert as_fields(only_updated)["created_at"] == parse_instant(LATER)
    only_created = translate("recalls", {"id": "1", "created_at": AT, "recall_at": "2026-04-09T00:00:00Z"})
    assert only_created.updated_at == parse_instant(AT)
    assert as_fields(only_created)["due_on"] == "2026-04-09"


@pytest.mark.parametrize(
    ("resource", "raw", "field"),
    [
        ("patients", {"created_at": AT}, "id"),
        ("patients", {"id": "1"}, "created_at"),
        ("patients", {"id": "1", "created_at": "yesterday"}, "created_at"),
        ("patients", {"id": "1", "created_at": 17}, "created_at"),
        ("patients", {"id": "1", "created_at": "2026-03-01T01:02:03"}, "created_at"),
        ("patients", {"id": "1", "created_at": AT, "archived_at": "soon"}, "archived_at"),
        ("individual_appointments", {"id": "1", "created_at": AT}, "starts_at"),
        ("recalls", {"id": "1", "created_at": AT, "recall_at": "next week"}, "recall_at"),
        ("recalls", {"id": "1", "created_at": AT, "recall_at": "9999-12-31"}, "recall_at"),
        ("recalls", {"id": "1", "created_at": AT, "recall_at": "2201-01-01"}, "recall_at"),
        ("recalls", {"id": "1", "created_at": AT, "recall_at": "1899-12-31"}, "recall_at"),
        ("individual_appointments", {"id": "1", "created_at": AT, "starts_at": "9999-12-31T09:00:00Z"}, "starts_at"),
        ("group_appointments", {"id": "1", "starts_at": "2201-01-01T00:00:00Z"}, "starts_at"),
        ("communications", {"id": "1", "created_at": "9999-01-01T00:00:00Z"}, "created_at"),
        ("patients", {"id": "1", "created_at": "0001-01-01T00:00:00Z"}, "created_at"),
        ("patients", {"id": "1", "created_at": AT, "updated_at": "1899-12-31T23:59:59Z"}, "updated_at"),
        ("patients", None, "not an object"),
        ("patients", ["1"], "not an object"),
    ],
)
def test_nonsense_is_refused_by_the_field_and_never_shows_the_value(resource: str, raw: Any, field: str):
    with pytest.raises(UntranslatableError) as refused:
        translate(resource, raw)
    assert str(refused.value) == field


def test_the_first_and_the_last_plausible_day_make_sense():
    for day in ("1900-01-01", "2200-12-31"):
        stamps = {"created_at": f"{day}T00:00:00Z", "updated_at": f"{day}T23:59:59Z"}
        assert as_fields(translate("recalls", {"id": "1", **stamps, "recall_at": day}))["due_on"] == day


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"deleted_at": AT, **link("patients/17")}, ("17", parse_instant(AT))),
        ({"id": 18, "deleted_at": AT}, ("18", parse_instant(AT))),
        ({"id": "19"}, ("19", None)),
    ],
)
def test_a_deleted_patient_is_known_by_id_or_link(raw: dict[str, Any], expected: tuple[str, int | None]):
    assert deleted_patient(raw) == expected


def test_a_practitioner_is_called_by_the_display_name_else_the_names():
    stamps = {"id": "1", "created_at": AT, "updated_at": AT}
    names = {"first_name": "Quinn", "last_name": "Placeholder", "label": "Dr Quinn Placeholder"}
    shown = translate("practitioners", {**stamps, **names, "display_name": "Quinn P."})
    assert as_fields(shown)["name"] == "Quinn P."
    assert as_fields(translate("practitioners", {**stamps, **names}))["name"] == "Quinn Placeholder"
    assert as_fields(translate("practitioners", {**stamps, "label": "Dr Q"}))["name"] == "Dr Q"


def test_what_is_stored_of_a_record_makes_it_again():
    raw = {"id": "1", "created_at": AT, "updated_at": LATER, "starts_at": AT, "recall_at": "2026-04-09", "name": "N"}
    for kind in KINDS:
        record = translate(kind.resource, {**raw, "patient": link("patients/2")})
        assert from_fields(kind.resource, as_fields(record)) == record


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference is not here")
def test_every_sample_of_the_reference_makes_sense():
    resources = {kind.resource for kind in KINDS}
    seen = set()
    for sample in json.loads(SAMPLES.read_text()).values():
        if isinstance(sample, dict) and "id" in sample:
            *_, resource, _ = sample["links"]["self"].split("/")
            if resource in resources:
                seen.add(resource)
                assert translate(resource, sample).id == sample["id"]
    assert len(seen) > 9
