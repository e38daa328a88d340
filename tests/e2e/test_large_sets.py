"""The two large sets, imported through the system, answer as the oracle does straight from the CSV."""

from pathlib import Path

import pytest

from support.compare import differences
from support.oracle import VITORIA, Oracle, large_oracle
from support.system import CommandFailed, Json, System

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not DATA.exists(), reason=f"no large sets in {DATA}"),
]

ACTIONS = ("missed_appt", "overdue_followup", "failed_contact", "no_future_appt")
FIRST_PAGE = 200


@pytest.fixture(scope="module")
def vitoria(system: System) -> tuple[System, Oracle]:
    key = system.serve_clinic({"clinic": "vitoria", "data": str(DATA / VITORIA)})
    system.add_organization("org_vitoria", key, {"time_zone": "America/Sao_Paulo"})
    system.synchronize("org_vitoria")
    return system, large_oracle("org_vitoria", DATA)


@pytest.fixture(scope="module")
def medscheduler(system: System) -> tuple[System, Oracle]:
    key = system.serve_clinic({"clinic": "medscheduler", "data": str(DATA)})
    system.add_organization("org_medscheduler", key, {"time_zone": "Europe/London"})
    system.synchronize("org_medscheduler")
    return system, large_oracle("org_medscheduler", DATA)


@pytest.mark.parametrize("as_of", ["2016-05-02", "2016-05-16", "2016-05-25", "2016-06-08", "2016-07-15"])
def test_vitoria_answers_as_the_oracle_does(vitoria: tuple[System, Oracle], as_of: str) -> None:
    assert _differences(*vitoria, "org_vitoria", as_of) == [], _how_it_is(vitoria[0], "org_vitoria")


@pytest.mark.parametrize("as_of", ["2024-06-01", "2024-12-01"])
def test_medscheduler_answers_as_the_oracle_does(medscheduler: tuple[System, Oracle], as_of: str) -> None:
    assert _differences(*medscheduler, "org_medscheduler", as_of) == [], _how_it_is(medscheduler[0], "org_medscheduler")


def test_every_vitoria_patient_and_appointment_is_there(vitoria: tuple[System, Oracle]) -> None:
    system, _ = vitoria
    status = system.get("org_vitoria", "cliniko/status/{org}", as_of="2016-07-15")
    assert status["total_contacts"] == 62_299
    body = system.get("org_vitoria", "cliniko/active-patients/{org}/summary", as_of="2016-06-08")
    assert body["total_active_patients"] == 62_299


def test_the_distribution_of_a_day_is_risk_metrics_as_of_that_day(vitoria: tuple[System, Oracle]) -> None:
    system, _ = vitoria
    rows = system.get("org_vitoria", "reengagement/{org}/trends", as_of="2016-06-08", period="30d")["daily_trends"]
    assert len(rows) == 30
    for row in rows:
        metrics = system.get("org_vitoria", "reengagement/{org}/risk-metrics", as_of=row["date"])
        summary = {name.removesuffix("_risk"): count for name, count in metrics["risk_summary"].items()}
        assert row["risk_levels"] == summary, row["date"]


def _differences(system: System, oracle: Oracle, organization: str, as_of: str) -> list[str]:
    route = "reengagement/{org}/"
    found = []
    for dormant in (False, True):
        actual = system.get(organization, route + "risk-metrics", as_of=as_of, include_dormant=str(dormant).lower())
        found += differences(actual, oracle.risk_metrics(as_of, include_dormant=dormant), f"risk-metrics {dormant}")
    found += differences(
        system.get(organization, route + "performance", as_of=as_of), oracle.performance(as_of), "performance"
    )
    found += differences(system.get(organization, route + "trends", as_of=as_of), oracle.trends(as_of, "30d"), "trends")
    found += differences(
        system.get(organization, "cliniko/active-patients/{org}/summary", as_of=as_of),
        oracle.active_patients_summary(as_of),
        "active summary",
    )
    found += _list_differences(system, oracle, organization, as_of)
    return found[:20]


def _list_differences(system: System, oracle: Oracle, organization: str, as_of: str) -> list[str]:
    """The first page as the whole row, and every patient of each filter."""
    route = "reengagement/{org}/patients/prioritized"
    found = []
    for sort_by in ("days_since_contact", "next_action_date"):
        expected = oracle.prioritized(as_of, sort_by=sort_by)
        page = system.get(organization, route, as_of=as_of, sort_by=sort_by, limit=FIRST_PAGE)
        expected["patients"] = [_comparable(row) for row in expected["patients"][:FIRST_PAGE]]
        page["patients"] = [_comparable(row) for row in page["patients"]]
        found += differences(page, expected, f"prioritized by {sort_by}")
    for action in ACTIONS:
        expected = oracle.prioritized(as_of, action_required=[action], sort_by="days_since_contact")
        page = system.get(
            organization, route, as_of=as_of, action_required=action, sort_by="days_since_contact", limit=FIRST_PAGE
        )
        if page["total_count"] != expected["total_count"]:
            found.append(f"{action}: {page['total_count']} patients, not {expected['total_count']}")
        ids = [row["id"] for row in page["patients"]]
        if ids != [row["id"] for row in expected["patients"][:FIRST_PAGE]]:
            found.append(f"{action}: other patients, or another order")
    return found


def _how_it_is(system: System, organization: str) -> str:
    """For whoever has to find out whether a fact never came, was set aside, or was counted wrongly."""
    try:
        laws = system.reengage("verify", organization)
    except CommandFailed as broken:
        laws = broken
    return f"{laws}\n{system.reengage('status')}"


def _comparable(row: Json) -> Json:
    """The oracle knows no names, addresses, types and channels: the CSV files have none."""
    invented = {"name", "phone", "email", "recommended_action", "communication_preferences", "health_conditions"}
    return {name: value for name, value in row.items() if name not in invented | {"referral_source", "risk_score"}}
