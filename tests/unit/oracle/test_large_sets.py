"""The oracle answers for the two large sets as checkpoints.json does."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.oracle import VITORIA, Oracle, large_oracle, vitoria_clinic

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the large sets are not beside the repository: {FOLDER} is absent"),
]
CHECKPOINTS = ("org_vitoria 2016-05-16", "org_vitoria 2016-06-08", "org_medscheduler 2024-06-01")


@pytest.fixture(scope="module")
def checkpoints() -> dict:
    return json.loads((FOLDER / "checkpoints.json").read_text(encoding="utf-8"))


def test_checkpoints_json_holds_these_only(checkpoints: dict) -> None:
    assert set(checkpoints) == set(CHECKPOINTS)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_the_answers_are_those_of_the_checkpoint(checkpoints: dict, checkpoint: str) -> None:
    organization, at = checkpoint.split()
    oracle = large_oracle(organization, FOLDER)
    everybody = oracle.prioritized(at, risk_level="all")
    answers: dict[str, Any] = {
        "risk-metrics": oracle.risk_metrics(at),
        "performance": oracle.performance(at),
        "prioritized: total_count of risk_level=all": everybody["total_count"],
        "prioritized: summary": everybody["summary"],
        "cliniko/active-patients/summary": oracle.active_patients_summary(at),
        "trends?period=30d": oracle.trends(at, "30d"),
    }
    wanted = checkpoints[checkpoint]
    assert set(answers) == set(wanted)
    for question, answer in answers.items():
        assert answer == wanted[question], question


def test_vitoria_moved_by_whole_weeks_answers_the_same_numbers() -> None:
    """America/Sao_Paulo keeps one offset from March to mid-October, so two weeks change nothing."""
    moved = Oracle(vitoria_clinic(FOLDER / VITORIA, shift_days=14))
    now, then = moved.risk_metrics("2016-05-30"), large_oracle("org_vitoria", FOLDER).risk_metrics("2016-05-16")
    assert {**now, "as_of": None} == {**then, "as_of": None}
