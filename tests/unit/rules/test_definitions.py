"""The arithmetic that definitions.md shows, and the days at which levels begin."""

from datetime import UTC, datetime

import pytest

from rules import answers
from rules.assess import assess
from rules.calendar import calendar, day_of_text
from rules.facts import Appointment, Contact, Facts, Report
from rules.figures import (
    ATTEMPTS,
    BOOKINGS,
    EPISODES,
    EPISODES_WON,
    FAILED,
    MESSAGES,
    NO_FUTURE,
    SUCCESSES,
    class_counter,
    patient_class,
)
from rules.followup import median_gap
from rules.instants import DAY, from_datetime
from rules.levels import CRITICAL, HIGH, LEVELS, MEDIUM
from rules.numbers import one_decimal, percentage
from rules.performance import performance
from rules.score import risk_score
from rules.settings import RuleSettings
from rules.view import View

UTC_CALENDAR = calendar("UTC")
SETTINGS = RuleSettings(UTC_CALENDAR)
NINE_O_CLOCK = 9 * 3_600_000_000


def at(text: str) -> int:
    """09:00 UTC of a day."""
    return UTC_CALENDAR.start(day_of_text(text)) + NINE_O_CLOCK


AS_OF = UTC_CALENDAR.end(day_of_text("2025-06-30"))

SAMPLE = Facts(
    "patient_123",
    Contact(at("2024-01-10"), name="John Smith", phone="+1234567890", email="john.smith@example.com"),
    (
        Appointment("1", "1", at("2025-04-01"), at("2025-05-02"), missed=True),
        Appointment("2", "2", at("2025-04-02"), at("2025-05-09"), missed=True),
        Appointment("3", "3", at("2025-04-03"), at("2025-05-14")),
    ),
    reports=(
        Report(at("2025-06-15"), "sms", "m-1", "sent"),
        Report(at("2025-06-15") + 1, "sms", "m-1", "failed"),
    ),
)


def test_a_failed_message_is_no_contact_so_the_sample_patient_counts_47_days() -> None:
    view = View(SAMPLE, SETTINGS, AS_OF)
    assert view.days_since_last_contact == 17 + 30 == 47
    assert LEVELS[view.level] == "critical"


def test_the_sample_patient_scores_85_and_the_parts_add_up() -> None:
    assessed = assess(SAMPLE, SETTINGS, AS_OF)
    assert assessed is not None
    assert assessed.risk_score == 85 == risk_score(View(SAMPLE, SETTINGS, AS_OF))
    assert sum(part.points for part in assessed.parts) == 85
    assert {part.name: part.points for part in assessed.parts} == {
        "days_without_contact": 50,
        "missed_appointments": 10,
        "overdue_followup": 10,
        "last_outreach_failed": 5,
        "no_future_booking": 10,
    }


def test_immediate_actions_are_the_union_of_critical_and_failed() -> None:
    state = {
        class_counter(patient_class(False, CRITICAL, NO_FUTURE)): 12,
        class_counter(patient_class(False, HIGH, NO_FUTURE | FAILED)): 3,
        class_counter(patient_class(False, HIGH, 0)): 5,
        class_counter(patient_class(False, MEDIUM, NO_FUTURE)): 15,
    }
    body = answers.risk_metrics("org", state, include_dormant=False)
    assert body["immediate_actions_required"] == 12 + 3 == 15
    summary = answers.list_summary(state, {}, SETTINGS, today=0, include_dormant=False)
    assert summary["total_at_risk"] == 12 + 8 + 15 == 35
    assert summary["immediate_action_required"] == 12


def test_the_predicted_success_is_the_mean_of_each_levels_own_chance() -> None:
    today = 738_000
    state = {
        class_counter(patient_class(False, CRITICAL, NO_FUTURE)): 12,
        class_counter(patient_class(False, HIGH, NO_FUTURE)): 8,
        class_counter(patient_class(False, MEDIUM, NO_FUTURE)): 15,
    }
    days = {
        (today - 364, EPISODES[CRITICAL]): 10,
        (today, EPISODES_WON[CRITICAL]): 6,
        (today - 365, EPISODES[HIGH]): 100,  # a day too old
        (today - 3, EPISODES[MEDIUM]): 4,
    }
    q = 0.55 * 0.68
    critical, high, medium = (6 + 20 * q) / (10 + 20), (0 + 20 * q) / (0 + 20), (0 + 20 * q) / (4 + 20)
    expected = round(100 * (12 * critical + 8 * high + 15 * medium) / 35, 1)
    summary = answers.list_summary(state, days, SETTINGS, today=today, include_dormant=False)
    assert summary["success_rate_prediction"] == expected == 37.3
    nothing_known = answers.list_summary(state, {}, SETTINGS, today=today, include_dormant=False)
    assert nothing_known["success_rate_prediction"] == 37.4


def test_the_rates_of_the_sample() -> None:
    day = 738_000
    days = {(day, ATTEMPTS): 145, (day, SUCCESSES): 89, (day, BOOKINGS): 67}
    counts = {
        ("sms", "sent"): 95,
        ("sms", "delivered"): 87,
        ("sms", "responded"): 52,
        ("email", "sent"): 78,
        ("email", "opened"): 45,
        ("email", "responded"): 23,
        ("phone", "attempted"): 34,
        ("phone", "connected"): 28,
        ("phone", "appointment_booked"): 21,
    }
    days |= {(day, MESSAGES[key]): count for key, count in counts.items()}
    body = performance(days, SETTINGS, first=day - 29, last=day, timeframe="last_30_days")
    assert body["reengagement_metrics"]["contact_success_rate"] == 61.4
    assert body["reengagement_metrics"]["conversion_rate"] == 75.3
    channels = body["communication_channels"]
    assert channels["sms"]["response_rate"] == 59.8
    assert channels["email"]["response_rate"] == 51.1
    assert channels["phone"]["conversion_rate"] == 75.0
    assert body["benchmark_comparison"]["our_performance"] == "above_average"


def test_a_rate_over_zero_is_no_number() -> None:
    body = performance({}, SETTINGS, first=1, last=30, timeframe="last_30_days")
    assert body["reengagement_metrics"]["contact_success_rate"] is None
    assert body["benchmark_comparison"]["our_performance"] is None


@pytest.mark.parametrize(
    ("successes", "bookings", "expected"),
    [
        (570, 376, "average"),  # 57.0 and 66.0: both within 2.0
        (571, 377, "above_average"),  # 57.1 and 66.0: one beyond, the sum above
        (600, 378, "average"),  # 60.0 and 63.0: the differences add up to nothing
        (530, 344, "below_average"),  # 53.0 and 64.9
        (0, 0, "below_average"),  # 0.0 and no conversion: the contact rate decides alone
    ],
)
def test_the_comparison_with_the_benchmark(successes: int, bookings: int, expected: str) -> None:
    days = {(1, ATTEMPTS): 1_000, (1, SUCCESSES): successes, (1, BOOKINGS): bookings}
    body = performance(days, SETTINGS, first=1, last=1, timeframe="last_1_days")
    assert body["benchmark_comparison"]["our_performance"] == expected


@pytest.mark.parametrize(
    ("days", "level"),
    [
        (0, "engaged"),
        (6, "engaged"),
        (7, "low"),
        (13, "low"),
        (14, "medium"),
        (29, "medium"),
        (30, "high"),
        (44, "high"),
        (45, "critical"),
        (400, "critical"),
    ],
)
def test_levels_begin_at_their_days(days: int, level: str) -> None:
    facts = Facts("p", Contact(at("2025-01-01")))
    view = View(facts, SETTINGS, at("2025-01-01") + days * DAY)
    assert LEVELS[view.level] == level


def test_half_days_of_the_median_gap_round_up() -> None:
    assert median_gap([0, 10, 17]) == 9  # gaps 7 and 10: 8.5
    assert median_gap([0, 7, 14, 35]) == 7


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 3, 33.3), (2, 3, 66.7), (1, 8, 12.5), (1, 16, 6.3), (0, 5, 0.0), (5, 0, None)],
)
def test_percentages_have_one_decimal_half_up(part: int, whole: int, shown: float | None) -> None:
    assert percentage(part, whole) == shown


def test_halves_are_rounded_away_from_zero() -> None:
    assert one_decimal(-5, 100) == -0.1
    assert one_decimal(5, 100) == 0.1


def test_days_are_those_of_the_clinic_even_where_midnight_is_skipped() -> None:
    havana = calendar("America/Havana")
    spring = day_of_text("2025-03-09")  # 00:00 does not exist: the day begins at 01:00
    start = from_datetime(datetime(2025, 3, 9, 5, tzinfo=UTC))
    assert havana.start(spring) == start
    assert havana.day(start - 1) == spring - 1
    assert havana.end(spring - 1) == start - 1
    autumn = day_of_text("2025-11-02")  # 00:00 exists twice: the first begins the day
    assert havana.start(autumn) == from_datetime(datetime(2025, 11, 2, 4, tzinfo=UTC))
