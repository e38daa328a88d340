"""The rules agree with the oracle on random clinics, at awkward instants, on every number."""

from datetime import date

import pytest

from rules.settings import rule_settings
from support.clinic_facts import clinic_facts
from support.clinics import awkward_as_ofs, random_clinic
from support.compare import differences
from support.oracle import Oracle
from support.rule_answers import RuleAnswers

END = date(2025, 11, 30)
ACTIONS = ("missed_appt", "overdue_followup", "failed_contact", "no_future_appt")


@pytest.mark.parametrize("seed", range(1_000, 1_040))
def test_every_number_is_the_oracles(seed: int) -> None:
    clinic = random_clinic(seed, patients=14, end=END)
    oracle = Oracle(clinic)
    facts = clinic_facts(clinic.cliniko, clinic.outreach)
    rules = RuleAnswers(clinic.settings["id"], facts, rule_settings(clinic.settings))
    for as_of in awkward_as_ofs(clinic, seed, 4, end=END):
        assert _differences(rules, oracle, as_of) == [], (seed, as_of)


def _differences(rules: RuleAnswers, oracle: Oracle, as_of: str) -> list[str]:
    found = []
    for dormant in (False, True):
        metrics = rules.risk_metrics(as_of, include_dormant=dormant)
        found += differences(metrics, oracle.risk_metrics(as_of, include_dormant=dormant), "risk-metrics")
        expected = oracle.prioritized(as_of, include_dormant=dormant)
        expected["patients"] = sorted(expected["patients"], key=lambda row: row["id"])
        for row in expected["patients"]:
            del row["health_conditions"], row["referral_source"]  # put together by the ingestor
        found += differences(rules.prioritized(as_of, include_dormant=dormant), expected, "prioritized")
    for days in (30, 90):
        found += differences(rules.performance(as_of, days), oracle.performance(as_of, days=days), f"{days} days")
    for period in ("7d", "30d"):
        found += differences(rules.trends(as_of, period), oracle.trends(as_of, period), period)
    for action in ACTIONS:
        expected_ids = sorted(row["id"] for row in oracle.prioritized(as_of, action_required=[action])["patients"])
        rows = rules.prioritized(as_of, action_required=action)["patients"]
        if [row["id"] for row in rows] != expected_ids:
            found.append(action)
    found += differences(rules.active_summary(as_of), oracle.active_patients_summary(as_of), "active summary")
    return found
