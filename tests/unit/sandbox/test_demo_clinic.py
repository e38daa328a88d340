"""What the demo's practice must look like whatever its seed, and what its dashboard shows."""

import re
from collections import Counter, defaultdict
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from support.demo_clinic import demo_clinic
from support.demo_clinic.people import _MOBILES
from support.oracle import Clinic, Oracle
from support.sandbox.catalog import RESOURCES
from support.sandbox.clock import instant_of

TODAY = date(2026, 3, 12)
BEGINS = "2026-03-11T13:00:00Z"  # midnight in Melbourne
SETTINGS = {
    "id": "org_demo",
    "time_zone": "Australia/Melbourne",
    "active_window_days": 365,
    "require_arrival_mark": False,
    "industry_avg_contact_rate": 55.0,
    "industry_avg_conversion": 68.0,
    "followup_days": {"*": 28},
    "retry_after_days": 7,
}
SOON = timedelta(minutes=10)
Record = dict[str, Any]


@cache
def demo(seed: int = 1) -> tuple[dict[str, list[Record]], list[Record]]:
    return demo_clinic(seed, today=TODAY)


@cache
def oracle(seed: int = 1) -> Oracle:
    return Oracle(Clinic(SETTINGS, *demo(seed)))


def linked(record: Record, name: str) -> str:
    return str(record[name]["links"]["self"].rpartition("/")[2])


def outcomes() -> list[Record]:
    return [each for each in demo()[1] if each["type"] == "outreach.outcome.v1"]


def test_the_same_seed_and_day_give_the_same_practice() -> None:
    small = demo_clinic(7, today=TODAY, patients=40)
    assert demo_clinic(7, today=TODAY, patients=40) == small
    assert demo_clinic(8, today=TODAY, patients=40) != small
    other = demo_clinic(7, today=TODAY, patients=40, organization_id="org_x")[1]
    assert {each["data"]["organization_id"] for each in other} == {"org_x"}


def test_nothing_has_happened_after_the_beginning_of_today_but_bookings_reach_ahead() -> None:
    records, events = demo()
    for kind, bodies in records.items():
        planned = kind == "group_appointments"
        assert all(each["created_at"] < BEGINS or planned for each in bodies), kind
        assert all(each["updated_at"] < BEGINS or planned for each in bodies), kind
    assert all(each["time"] < BEGINS for each in events)
    ahead = [each for each in records["individual_appointments"] if each["starts_at"] > BEGINS]
    assert len(ahead) > 50


def test_every_record_is_complete_and_its_relations_exist() -> None:
    records, _ = demo()
    known = {kind: {each["id"] for each in bodies} for kind, bodies in records.items()}
    for kind, bodies in records.items():
        assert len(known[kind]) == len(bodies)
        for body in bodies:
            assert body.keys() >= RESOURCES[kind].shown.keys()
            for name, path in RESOURCES[kind].relations.items():
                target = path.strip("/")
                if name in body and target in known:
                    assert linked(body, name) in known[target], (kind, name)


def test_every_individual_appointment_has_one_attendee_that_agrees() -> None:
    records, _ = demo()
    attendees = defaultdict(list)
    for each in records["attendees"]:
        attendees[linked(each, "booking")].append(each)
    for appointment in records["individual_appointments"]:
        (attendee,) = attendees[appointment["id"]]
        assert linked(attendee, "patient") == linked(appointment, "patient")
        assert attendee["cancelled_at"] == appointment["cancelled_at"]
        assert (attendee["arrived"] is False) == (appointment["did_not_arrive"] is True)
    for session in records["group_appointments"]:
        places = [each for each in attendees[session["id"]] if each["cancelled_at"] is None]
        assert len(places) <= session["max_attendees"]


def test_no_practitioner_is_in_two_places_at_once() -> None:
    busy = Counter(
        (linked(each, "practitioner"), each["starts_at"])
        for each in demo()[0]["individual_appointments"]
        if each["cancelled_at"] is None
    )
    assert max(busy.values()) == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_rates_are_those_of_a_real_practice(seed: int) -> None:
    held = [each for each in demo(seed)[0]["individual_appointments"] if each["starts_at"] < BEGINS]
    missed = sum(each["did_not_arrive"] is True for each in held) / len(held)
    cancelled = sum(each["cancelled_at"] is not None for each in held) / len(held)
    assert 0.055 < missed < 0.085
    assert 0.10 < cancelled < 0.14


@pytest.mark.parametrize("seed", [1, 2])
def test_the_dashboard_looks_like_a_clinics(seed: int) -> None:
    metrics = oracle(seed).risk_metrics("2026-03-12")
    assert all(20 <= count <= 250 for count in metrics["risk_summary"].values()), metrics
    assert all(count > 3 for count in metrics["alerts"].values()), metrics
    assert metrics["dormant"] > 0
    for days in (30, 90):
        figures = oracle(seed).performance("2026-03-12", days=days)
        assert 30 <= figures["reengagement_metrics"]["contact_success_rate"] <= 62
        assert figures["reengagement_metrics"]["avg_days_to_reengage"] > 0
        channels = figures["communication_channels"]
        assert all(rate is not None for each in channels.values() for rate in each.values())


def test_there_is_outreach_in_every_month_of_the_history() -> None:
    attempts = defaultdict(set)
    for each in outcomes():
        attempts[each["time"][:7]].add(each["data"]["attempt_id"])
    first, *whole, last = sorted(attempts)
    assert (first, last) == ("2024-09", "2026-03")
    assert all(70 <= len(attempts[month]) <= 140 for month in whole)
    early = oracle().performance("2026-03-12", from_="2024-11-01", to="2024-11-30")["reengagement_metrics"]
    assert early["outreach_attempts"] > 50
    assert 30 <= early["contact_success_rate"] <= 62


def test_there_are_attempts_for_trends_on_all_channels() -> None:
    used = defaultdict(set)
    for each in outcomes():
        quarter = "now" if each["time"] >= "2025-12-12" else "before" if each["time"] >= "2025-09-13" else ""
        used[quarter, each["data"]["channel"]].add(each["data"]["attempt_id"])
    for quarter in ("now", "before"):
        for channel in ("sms", "email", "phone"):
            assert len(used[quarter, channel]) > 20


def test_attempts_span_channels_and_phone_bookings_are_followed_by_appointments() -> None:
    records, _ = demo()
    channels = defaultdict(set)
    for each in outcomes():
        channels[each["data"]["attempt_id"]].add(each["data"]["channel"])
    assert sum(len(each) > 1 for each in channels.values()) > 50
    created = defaultdict(list)
    for each in records["individual_appointments"]:
        created[linked(each, "patient")].append(each["created_at"])
    booked = [each for each in outcomes() if each["data"]["outcome"] == "appointment_booked"]
    followed = [
        each
        for each in booked
        if any(timedelta(0) <= instant_of(at) - instant_of(each["time"]) < SOON for at in created[each["subject"]])
    ]
    assert len(booked) > 20
    assert len(followed) >= len(booked) - 1  # the last may have been cut off by the end


def test_whoever_opted_out_is_left_alone_on_that_channel() -> None:
    left: dict[tuple[str, str], str] = {}
    for each in outcomes():
        person = (each["subject"], each["data"]["channel"])
        if each["data"]["outcome"] in ("sent", "attempted"):
            assert person not in left
        elif each["data"]["outcome"] == "opted_out":
            left[person] = each["time"]
    assert left


def test_events_have_the_shape_that_publishers_agree_on() -> None:
    ids = [each["id"] for each in demo()[1]]
    assert len(ids) == len(set(ids))
    known = {each["id"] for each in demo()[0]["patients"]}
    for each in demo()[1]:
        assert (each["specversion"], each["source"]) == ("1.0", "/demo-crm")
        assert each["subject"] == each["data"]["patient_id"] in known
        assert None not in each["data"].values()
    assert {each["type"] for each in demo()[1]} == {"outreach.outcome.v1", "treatment.outcome.v1"}


def test_nobody_in_it_can_be_reached() -> None:
    mobiles = {number.replace(" ", "") for number in _MOBILES}
    for patient in demo()[0]["patients"]:
        assert patient["email"] == "" or patient["email"].endswith("@example.com")
        for phone in patient["patient_phone_numbers"]:
            number = phone["number"].replace(" ", "")
            assert number in mobiles or re.fullmatch(r"03(5550|7010)\d{4}", number)


def test_it_has_every_kind_of_trouble() -> None:
    records, _ = demo()
    patients = records["patients"]
    assert 2 <= sum(each["merged_at"] is not None for each in patients) <= 3
    assert sum(each["archived_at"] is not None for each in patients) > 20
    assert {each["accepted_sms_marketing"] for each in patients} == {True, False, None}
    assert any(each["repeats"] for each in records["individual_appointments"])
    assert len(records["recalls"]) > 50
    assert len(records["medical_alerts"]) > 50
    assert sum(each["direction_code"] == 2 for each in records["communications"]) > 50
    assert any(each["closed_at"] for each in records["patient_cases"])
