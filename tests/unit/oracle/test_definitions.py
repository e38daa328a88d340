"""The arithmetic that definitions.md shows, and the rules whose edges are easy to get wrong."""

from datetime import UTC, date, datetime

import pytest

from support.oracle import Clinic, Oracle
from support.oracle.performance import our_performance
from support.oracle.practice_shapes import appointment_type_record, practitioner_record
from support.oracle.record_shapes import (
    appointment_links,
    attendee_record,
    class_record,
    communication_record,
    individual_record,
    patient_record,
    phone_number,
    recall_record,
)
from support.oracle.rounding import percent
from support.oracle.times import Calendar, rfc3339

ANN, BEN, CYD = "1", "2", "3"
LINKED = appointment_links("T", "P", "B")
SETTINGS = {
    "id": "org_x",
    "time_zone": "UTC",
    "active_window_days": 365,
    "require_arrival_mark": False,
    "industry_avg_contact_rate": 55.0,
    "industry_avg_conversion": 68.0,
    "followup_days": {"*": 28},
    "retry_after_days": 7,
}


def patient(ident: str = ANN, created_at: str = "2024-01-01T08:00:00Z", **fields: object) -> dict:
    fields = {"patient_phone_numbers": [phone_number("+61491570006", "Mobile")], **fields}
    return patient_record(ident, created_at, **fields)


def visit(ident: str, starts_at: str, created_at: str, who: str = ANN, **fields: object) -> dict:
    return individual_record(ident, who, created_at, starts_at, starts_at, LINKED, **fields)


def told(ident: str, time: str, outcome: str, who: str = ANN, **body: object) -> dict:
    channel = body.pop("channel", "sms")
    return {
        "specversion": "1.0",
        "id": ident,
        "source": "/crm",
        "type": "outreach.outcome.v1",
        "time": time,
        "data": {
            "organization_id": "org_x",
            "patient_id": who,
            "channel": channel,
            "outcome": outcome,
            "message_id": "m1",
            **body,
        },
    }


def oracle(*, outreach: list[dict] | None = None, settings: dict | None = None, **cliniko: list[dict]) -> Oracle:
    practice = {
        "appointment_types": [appointment_type_record("T", "Treatment")],
        "practitioners": [practitioner_record("P", "Dr.", "A")],
    }
    cliniko.setdefault("patients", [patient()])
    return Oracle(Clinic({**SETTINGS, **(settings or {})}, {**practice, **cliniko}, outreach or []))


def test_a_failed_sms_is_no_contact_so_seventeen_and_thirty_days_are_47() -> None:
    answers = oracle(
        individual_appointments=[visit("10", "2025-05-14T10:00:00Z", "2025-05-01T10:00:00Z")],
        outreach=[told("e1", "2025-06-15T10:00:00Z", "failed")],
    )
    row = answers.patients("2025-06-30")[ANN]
    assert row["days_since_last_contact"] == 47
    assert row["risk_level"] == "critical"
    assert row["recommended_action"] == "immediate_phone_call"
    assert row["reengagement_history"] == [
        {"date": "2025-06-15", "method": "sms", "success": False, "reason": "failed"}
    ]


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (89, 145, 61.4),
        (67, 89, 75.3),
        (52, 87, 59.8),
        (23, 45, 51.1),
        (21, 28, 75.0),
        (1, 8, 12.5),
        (1, 16, 6.3),  # 6.25, half up
        (0, 5, 0.0),
        (3, 0, None),
    ],
)
def test_rates_are_shown_to_one_decimal_half_up(part: int, whole: int, shown: float | None) -> None:
    assert percent(part, whole) == shown


@pytest.mark.parametrize(
    ("contact", "conversion", "word"),
    [
        (61.4, 75.3, "above_average"),
        (57.0, 66.0, "average"),
        (60.0, 63.0, "average"),  # +5 and -5 add up to 0
        (57.1, 66.0, "above_average"),
        (50.0, 72.9, "below_average"),
        (57.0, None, "average"),
        (57.1, None, "above_average"),
        (52.9, None, "below_average"),
        (None, None, None),
    ],
)
def test_our_performance_compares_the_rates_as_shown(
    contact: float | None, conversion: float | None, word: str | None
) -> None:
    assert our_performance(SETTINGS, contact, conversion) == word


def test_immediate_actions_are_critical_patients_and_failed_communications_together() -> None:
    """Of three patients one is critical, one was not reached, one is booked."""
    answers = oracle(
        patients=[
            patient(ANN, "2025-01-01T00:00:00Z"),
            patient(BEN, "2025-06-10T00:00:00Z"),
            patient(CYD, "2025-01-01T00:00:00Z"),
        ],
        individual_appointments=[visit("10", "2025-07-14T10:00:00Z", "2025-05-01T10:00:00Z", CYD)],
        outreach=[told("e1", "2025-06-20T10:00:00Z", "failed", BEN)],
    )
    metrics = answers.risk_metrics("2025-06-30")
    assert metrics["risk_summary"]["critical_risk"] == 2
    assert metrics["alerts"]["failed_communications"] == 1
    assert metrics["immediate_actions_required"] == 2
    summary = answers.prioritized("2025-06-30")["summary"]
    assert summary == {
        "total_at_risk": 3,
        "immediate_action_required": 1,
        "avg_days_since_contact": 126.7,  # (180 + 20 + 180) / 3
        "success_rate_prediction": 37.4,  # 0.55 x 0.68, unless the organization's own episodes say otherwise
    }


def test_one_message_counts_once_per_outcome_and_a_response_implies_its_delivery() -> None:
    answers = oracle(
        outreach=[
            told("e1", "2025-06-20T10:00:00Z", "responded"),
            told("e2", "2025-06-20T11:00:00Z", "delivered"),
            told("e3", "2025-06-20T11:01:00Z", "delivered"),
        ]
    )
    sms = answers.performance("2025-06-30")["communication_channels"]["sms"]
    assert sms == {"sent": 1, "delivered": 1, "responded": 1, "response_rate": 100.0}


def test_of_an_event_told_twice_the_earliest_wins_and_in_a_tie_the_smaller_json() -> None:
    first = told("e1", "2025-06-20T10:00:00Z", "sent", reason="b")
    others = [told("e1", "2025-06-20T10:00:01Z", "responded"), told("e1", "2025-06-20T10:00:00Z", "sent", reason="c")]
    for order in ([first, *others], [*others, first]):
        row = oracle(outreach=order).patients("2025-06-30")[ANN]
        assert [entry["reason"] for entry in row["reengagement_history"]] == ["b"]


def test_events_of_another_organization_and_of_unknown_patients_are_ignored() -> None:
    foreign = told("e1", "2025-06-20T10:00:00Z", "responded")
    foreign["data"]["organization_id"] = "org_y"
    answers = oracle(outreach=[foreign, told("e2", "2025-06-20T10:00:00Z", "responded", "404")])
    assert answers.performance("2025-06-30")["reengagement_metrics"]["outreach_attempts"] == 0


def test_a_merge_holds_from_its_instant_and_chains_are_followed() -> None:
    answers = oracle(
        patients=[
            patient(ANN, merged_at="2025-06-10T00:00:00Z", archived_at="2025-06-10T00:00:00Z", merged_with=BEN),
            patient(BEN, merged_at="2025-06-05T00:00:00Z", archived_at="2025-06-05T00:00:00Z", merged_with=CYD),
            patient(CYD),
        ],
        individual_appointments=[
            visit("10", "2025-06-01T10:00:00Z", "2025-05-01T10:00:00Z", ANN),
            visit("11", "2025-06-02T10:00:00Z", "2025-05-01T10:00:00Z", BEN),
        ],
    )
    lifetime = {
        at: {who: row["total_lifetime_appointments"] for who, row in answers.patients(at).items()}
        for at in ("2025-06-04", "2025-06-05", "2025-06-10")
    }
    assert lifetime == {
        "2025-06-04": {ANN: 1, BEN: 1, CYD: 0},
        "2025-06-05": {ANN: 1, CYD: 1},
        "2025-06-10": {CYD: 2},
    }


def test_a_place_in_a_class_is_the_attendees_and_gone_when_either_is() -> None:
    def lifetime(group: dict, place: dict, at: str = "2025-06-30") -> int:
        start = "2025-06-10T10:00:00Z"
        held = class_record("50", [ANN], "2025-05-01T10:00:00Z", start, start, LINKED, **group)
        attendee = attendee_record("b1", "50", ANN, "2025-06-01T10:00:00Z", **place)
        row = oracle(group_appointments=[held], attendees=[attendee]).patients(at)[ANN]
        return row["total_lifetime_appointments"]

    assert lifetime({}, {}) == 1
    assert lifetime({"archived_at": "2025-06-20T00:00:00Z"}, {}) == 0
    assert lifetime({"archived_at": "2025-06-20T00:00:00Z"}, {}, "2025-06-19") == 1
    assert lifetime({}, {"deleted_at": "2025-06-20T00:00:00Z"}) == 0
    assert lifetime({}, {"cancelled_at": "2025-06-10T10:00:00Z"}) == 0


def test_the_attendee_of_an_individual_appointment_is_no_second_one() -> None:
    answers = oracle(
        individual_appointments=[visit("10", "2025-06-01T10:00:00Z", "2025-05-01T10:00:00Z")],
        attendees=[attendee_record("b1", "10", ANN, "2025-05-01T10:00:00Z")],
    )
    assert answers.patients("2025-06-30")[ANN]["total_lifetime_appointments"] == 1


def test_of_a_series_booked_in_one_second_the_smallest_id_as_text_is_credited() -> None:
    entered = "2025-06-20T12:00:00Z"
    answers = oracle(
        individual_appointments=[
            visit("9", "2025-07-03T10:00:00Z", entered),
            visit("10", "2025-07-10T10:00:00Z", entered),
        ],
        outreach=[told("e1", "2025-06-20T10:00:00Z", "sent")],
    )
    (attempt,) = answers.patients("2025-06-30")[ANN]["attempts"]
    assert attempt["appointment"] == ("10", "")
    assert answers.performance("2025-06-30")["reengagement_metrics"]["appointments_scheduled"] == 1


@pytest.mark.parametrize(
    ("created_at", "own"),
    [
        ("2025-06-18T23:59:59Z", None),
        ("2025-06-19T00:00:00Z", ("10", "")),
        ("2025-06-27T23:59:59Z", ("10", "")),
        ("2025-06-28T00:00:00Z", None),
    ],
)
def test_a_phone_booking_takes_what_is_created_from_a_day_before_to_seven_after(
    created_at: str, own: tuple | None
) -> None:
    answers = oracle(
        individual_appointments=[visit("10", "2025-08-10T10:00:00Z", created_at)],
        outreach=[told("e1", "2025-06-20T10:00:00Z", "appointment_booked", channel="phone")],
    )
    (attempt,) = answers.patients("2025-07-30")[ANN]["attempts"]
    assert (attempt["booked_at"], attempt["appointment"]) == ("2025-06-20T10:00:00Z", own)


def test_an_attempt_that_bounced_reached_nobody_and_the_older_one_is_credited() -> None:
    answers = oracle(
        individual_appointments=[visit("10", "2025-07-03T10:00:00Z", "2025-06-21T10:00:00Z")],
        outreach=[
            told("e1", "2025-06-01T10:00:00Z", "delivered", message_id="m1"),
            told("e2", "2025-06-20T10:00:00Z", "bounced", channel="email", message_id="m2"),
        ],
    )
    states = [attempt["status"] for attempt in answers.patients("2025-06-30")[ANN]["attempts"]]
    assert states == ["successful", "failed"]


@pytest.mark.parametrize(("at", "open_recall"), [("2025-06-15", True), ("2025-06-16", False)])
def test_a_recall_is_met_by_an_attendance_from_14_days_before_its_day(at: str, *, open_recall: bool) -> None:
    answers = oracle(
        individual_appointments=[visit("10", f"{at}T10:00:00Z", "2025-05-01T10:00:00Z")],
        recalls=[recall_record("r1", ANN, "2025-06-01T10:00:00Z", "2025-06-30")],
    )
    due = answers.patients("2025-07-01")[ANN]["follow_up_date"]
    assert (due == "2025-06-30") is open_recall


def test_the_own_median_gap_needs_three_days_and_halves_round_up() -> None:
    days = ("2025-05-01", "2025-05-11", "2025-05-22")  # gaps of 10 and 11 days
    visits = [visit(str(n), f"{day}T10:00:00Z", "2025-04-01T10:00:00Z") for n, day in enumerate(days)]
    assert oracle(individual_appointments=visits).patients("2025-07-01")[ANN]["follow_up_date"] == "2025-06-02"
    two = oracle(individual_appointments=visits[:2]).patients("2025-07-01")[ANN]
    assert two["follow_up_date"] == "2025-06-08"


def test_fourteen_days_without_contact_are_counted_on_the_fourteenth() -> None:
    answers = oracle(
        patients=[patient(ANN, "2025-06-01T10:00:00Z"), patient(BEN, "2025-06-01T10:00:00Z")],
        communications=[
            communication_record("c1", BEN, "2025-06-15T23:59:59Z", kind="SMS", received=True),
        ],
    )
    rows = answers.trends("2025-06-30", "30d")["daily_trends"]
    assert {row["date"]: row["new_at_risk"] for row in rows if row["new_at_risk"]} == {
        "2025-06-15": 1,
        "2025-06-29": 1,
    }


def test_with_required_marks_an_unmarked_visit_is_neither_attended_nor_missed() -> None:
    visits = [visit("10", "2025-06-01T10:00:00Z", "2025-05-01T10:00:00Z")]
    strict = oracle(individual_appointments=visits, settings={"require_arrival_mark": True})
    row = strict.patients("2025-06-30")[ANN]
    assert row["last_contact_at"] is None
    assert row["missed_appointments_last_90d"] == 0
    assert row["total_lifetime_appointments"] == 1


@pytest.mark.parametrize(
    ("zone", "day", "ends"),
    [
        ("America/Havana", date(2025, 3, 8), "2025-03-09T04:59:59.999999Z"),  # midnight is skipped
        ("America/Havana", date(2025, 11, 1), "2025-11-02T03:59:59.999999Z"),
        ("America/Havana", date(2025, 11, 2), "2025-11-03T04:59:59.999999Z"),  # 00:30 came twice
        ("Asia/Kathmandu", date(2025, 6, 1), "2025-06-01T18:14:59.999999Z"),
        ("Pacific/Apia", date(2025, 6, 1), "2025-06-01T10:59:59.999999Z"),
    ],
)
def test_a_day_ends_with_its_last_microsecond(zone: str, day: date, ends: str) -> None:
    calendar = Calendar(zone)
    end = calendar.end_of_day(day)
    assert rfc3339(end) == ends
    assert calendar.local_date(end) == day


def test_the_repeated_half_hour_belongs_to_one_day() -> None:
    calendar = Calendar("America/Havana")
    assert {calendar.local_date(datetime(2025, 11, 2, hour, 30, tzinfo=UTC)) for hour in (4, 5)} == {date(2025, 11, 2)}
