"""The oracle answers for the worked clinic as expected.json does, at its four instants."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.oracle import Clinic, Oracle

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "worked-clinic"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the worked clinic is not beside the repository: {FOLDER} is absent"
)
INSTANTS = ("2025-11-10", "2025-11-10T17:00:00Z", "2025-10-11", "2025-11-22")
ACTIONS = ("missed_appt", "failed_contact", "overdue_followup", "no_future_appt")


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def expected() -> dict:
    return read("expected.json")


@pytest.fixture(scope="module")
def oracle(expected: dict) -> Oracle:
    return Oracle(Clinic(expected["settings"], read("cliniko.json"), read("outreach.json")))


def ids(oracle: Oracle, at: str, action: str) -> list[str]:
    rows = oracle.prioritized(at, action_required=action, sort_by="id")["patients"]
    return [row["id"] for row in rows]


ANSWERS: dict[str, Callable[[Oracle, str], Any]] = {
    "risk-metrics": lambda oracle, at: oracle.risk_metrics(at),
    "performance": lambda oracle, at: oracle.performance(at),
    "performance?days=90": lambda oracle, at: oracle.performance(at, days=90),
    "trends?period=7d": lambda oracle, at: oracle.trends(at, "7d"),
    "prioritized?include_dormant=true": lambda oracle, at: oracle.prioritized(at, sort_by="id", include_dormant=True),
    **{
        f"prioritized?action_required={action}: ids": lambda oracle, at, action=action: ids(oracle, at, action)
        for action in ACTIONS
    },
    "cliniko/status": lambda oracle, at: oracle.status(at),
    "cliniko/active-patients": lambda oracle, at: oracle.active_patients(at),
    "cliniko/active-patients/summary": lambda oracle, at: oracle.active_patients_summary(at),
    "cliniko/contacts/with-appointments": lambda oracle, at: oracle.contacts_with_appointments(at),
}


def with_recent_appointments_in_one_order(body: Any) -> Any:
    """expected.json has `recent_appointments` oldest first; definitions.md, which the oracle
    follows, says "recent appointments newest first". Nothing else is rearranged."""
    if isinstance(body, list):
        return [with_recent_appointments_in_one_order(part) for part in body]
    if not isinstance(body, dict):
        return body
    ordered = {key: with_recent_appointments_in_one_order(part) for key, part in body.items()}
    if "recent_appointments" in ordered:
        ordered["recent_appointments"].sort(key=lambda a: (a["date"], a["id"]))
    return ordered


def test_expected_json_holds_these_instants_and_answers_only(expected: dict) -> None:
    assert set(expected["as_of"]) == set(INSTANTS)
    assert all(set(answers) == set(ANSWERS) for answers in expected["as_of"].values())


@pytest.mark.parametrize("at", INSTANTS)
@pytest.mark.parametrize("question", ANSWERS)
def test_the_answer_is_the_expected_one(oracle: Oracle, expected: dict, at: str, question: str) -> None:
    answer = ANSWERS[question](oracle, at)
    wanted = expected["as_of"][at][question]
    assert with_recent_appointments_in_one_order(answer) == with_recent_appointments_in_one_order(wanted)


@pytest.mark.parametrize("at", INSTANTS)
def test_recent_appointments_are_newest_first_and_upcoming_ones_soonest_first(oracle: Oracle, at: str) -> None:
    for row in oracle.active_patients(at)["active_patients"]:
        recent = [a["date"] for a in row["recent_appointments"]]
        upcoming = [a["date"] for a in row["upcoming_appointments"]]
        assert recent == sorted(recent, reverse=True)
        assert upcoming == sorted(upcoming)


@pytest.mark.parametrize("at", INSTANTS)
def test_each_alert_is_the_length_of_its_list(oracle: Oracle, at: str) -> None:
    alerts = oracle.risk_metrics(at)["alerts"]
    lengths = [len(ids(oracle, at, action)) for action in ACTIONS]
    assert lengths == [
        alerts["missed_appointments_14d"],
        alerts["failed_communications"],
        alerts["overdue_followups"],
        alerts["no_future_appointments"],
    ]


def test_the_levels_of_a_trends_day_are_the_risk_metrics_of_that_day(oracle: Oracle) -> None:
    for row in oracle.trends("2025-11-22", "90d")["daily_trends"]:
        summary = oracle.risk_metrics(row["date"])["risk_summary"]
        levels = {name.removesuffix("_risk"): count for name, count in summary.items()}
        assert row["risk_levels"] == levels, row["date"]


def test_any_order_and_number_of_the_same_facts_answers_the_same(oracle: Oracle, expected: dict) -> None:
    cliniko, outreach = read("cliniko.json"), read("outreach.json")
    shuffled = {kind: records[::-1] for kind, records in cliniko.items()}
    other = Oracle(Clinic(expected["settings"], shuffled, outreach[::-1] + outreach))
    at = "2025-11-22"
    assert other.patients(at) == oracle.patients(at)
    assert other.trends(at, "30d") == oracle.trends(at, "30d")
