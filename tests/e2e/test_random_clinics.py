"""Random clinics with every kind of fact, through the whole system, against the oracle."""

from datetime import UTC, date, datetime, timedelta

import pytest

from support.clinics import awkward_as_ofs, random_clinic
from support.compare import differences
from support.oracle import Oracle
from support.system import Json, System

OVER = (datetime.now(UTC) - timedelta(hours=12)).date() - timedelta(days=1)
"""The last day that is over in every time zone."""
ACTIONS = ("missed_appt", "overdue_followup", "failed_contact", "no_future_appt")


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_every_answer_is_the_oracles(system: System, seed: int) -> None:
    end = date(2025, 11, 30) if seed % 2 else OVER
    clinic = random_clinic(seed, patients=40, end=end)
    organization = clinic.settings["id"]
    key = system.serve_clinic({"cliniko": clinic.cliniko})
    system.add_organization(organization, key, clinic.settings)
    system.report(organization, clinic.outreach)
    system.synchronize(organization)
    oracle = Oracle(clinic)
    future = (end + timedelta(days=40)).isoformat()
    for as_of in [*awkward_as_ofs(clinic, seed, 5, end=end), future]:
        assert _differences(system, oracle, organization, as_of) == [], as_of


def _differences(system: System, oracle: Oracle, organization: str, as_of: str) -> list[str]:
    route = "reengagement/{org}/"
    found = []
    for dormant in (False, True):
        flag = str(dormant).lower()
        actual = system.get(organization, route + "risk-metrics", as_of=as_of, include_dormant=flag)
        found += differences(actual, oracle.risk_metrics(as_of, include_dormant=dormant), "risk-metrics")
        expected = _by_id(oracle.prioritized(as_of, include_dormant=dormant))
        listed = _list(system, organization, as_of=as_of, include_dormant=flag, limit=7, sort_by="next_action_date")
        found += differences(_by_id(listed), expected, "prioritized")
    for sort_by in ("days_since_contact", "next_action_date"):
        expected = oracle.prioritized(as_of, sort_by=sort_by)
        listed = _list(system, organization, as_of=as_of, sort_by=sort_by, limit=11)
        if [row["id"] for row in listed["patients"]] != [row["id"] for row in expected["patients"]]:
            found.append(f"another order by {sort_by}")
    for days in (30, 90):
        actual = system.get(organization, route + "performance", as_of=as_of, days=days)
        found += differences(actual, oracle.performance(as_of, days=days), f"performance {days}")
    for period in ("7d", "30d"):
        actual = system.get(organization, route + "trends", as_of=as_of, period=period)
        found += differences(actual, oracle.trends(as_of, period), f"trends {period}")
    for action in ACTIONS:
        listed = _list(system, organization, as_of=as_of, action_required=action)
        expected = oracle.prioritized(as_of, action_required=[action])
        if sorted(row["id"] for row in listed["patients"]) != sorted(row["id"] for row in expected["patients"]):
            found.append(f"other patients: {action}")
    return found + _cliniko_differences(system, oracle, organization, as_of)


def _cliniko_differences(system: System, oracle: Oracle, organization: str, as_of: str) -> list[str]:
    status = system.get(organization, "cliniko/status/{org}", as_of=as_of)
    found = differences(status, oracle.status(as_of), "status")
    summary = system.get(organization, "cliniko/active-patients/{org}/summary", as_of=as_of)
    found += differences(summary, oracle.active_patients_summary(as_of), "active summary")
    active = system.whole_list(organization, "cliniko/active-patients/{org}", "active_patients", as_of=as_of, limit=9)
    found += differences(active, oracle.active_patients(as_of), "active patients")
    items = "contacts_with_appointments"
    contacts = system.whole_list(organization, "cliniko/contacts/{org}/with-appointments", items, as_of=as_of, limit=9)
    return found + differences(contacts, oracle.contacts_with_appointments(as_of), "with appointments")


def _list(system: System, organization: str, **parameters: object) -> Json:
    return system.whole_list(organization, "reengagement/{org}/patients/prioritized", "patients", **parameters)


def _by_id(body: Json) -> Json:
    return {**body, "patients": sorted(body["patients"], key=lambda row: row["id"])}
