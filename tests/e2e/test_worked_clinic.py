"""The worked clinic, through sandbox, ingestor, topics and gateway, answers as it must: every field."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.compare import differences
from support.system import Json, System

DATA = Path(__file__).parents[3] / "shared" / "data" / "worked-clinic"
ORGANIZATION = "org_worked"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no worked clinic in {DATA}")

ROUTES = {
    "risk-metrics": "reengagement/{org}/risk-metrics",
    "performance": "reengagement/{org}/performance",
    "trends": "reengagement/{org}/trends",
    "prioritized": "reengagement/{org}/patients/prioritized",
    "cliniko/status": "cliniko/status/{org}",
    "cliniko/active-patients": "cliniko/active-patients/{org}",
    "cliniko/active-patients/summary": "cliniko/active-patients/{org}/summary",
    "cliniko/contacts/with-appointments": "cliniko/contacts/{org}/with-appointments",
}
LISTS = {
    "prioritized": "patients",
    "cliniko/active-patients": "active_patients",
    "cliniko/contacts/with-appointments": "contacts_with_appointments",
}


def _expected() -> Json:
    expected: Json = json.loads((DATA / "expected.json").read_text())
    return expected


@pytest.fixture(scope="module")
def worked(system: System) -> System:
    """The clinic imported, its outreach reported."""
    key = system.serve_clinic({"cliniko": json.loads((DATA / "cliniko.json").read_text())})
    system.add_organization(ORGANIZATION, key, _expected()["settings"])
    system.report(ORGANIZATION, json.loads((DATA / "outreach.json").read_text()))
    system.synchronize(ORGANIZATION)
    return system


@pytest.mark.parametrize("as_of", ["2025-11-10", "2025-11-10T17:00:00Z", "2025-10-11", "2025-11-22"])
def test_every_endpoint_answers_as_it_must(worked: System, as_of: str) -> None:
    found = []
    for asked, expected in _expected()["as_of"][as_of].items():
        found += differences(_answer(worked, asked, as_of), _comparable(asked, expected), asked)
    assert found == []


def _answer(system: System, asked: str, as_of: str) -> Any:
    asked, _, ids_only = asked.partition(": ")
    name, _, query = asked.partition("?")
    parameters = dict(pair.split("=") for pair in query.split("&") if pair)
    if name not in LISTS:
        return system.get(ORGANIZATION, ROUTES[name], as_of=as_of, **parameters)
    body = system.whole_list(ORGANIZATION, ROUTES[name], LISTS[name], as_of=as_of, **parameters)
    if ids_only:
        return sorted(row["id"] for row in body["patients"])
    return _comparable(name, body)


def _comparable(asked: str, body: Any) -> Any:
    """Lists are given in order of the patients' ids, nested ones oldest first."""
    if isinstance(body, list):
        return body
    name = asked.partition("?")[0]
    if name == "prioritized":
        body = {**body, "patients": sorted(body["patients"], key=lambda row: row["id"])}
    for row in body.get(LISTS.get(name, ""), []):
        if "recent_appointments" in row:
            row["recent_appointments"] = sorted(row["recent_appointments"], key=lambda a: (a["date"], a["id"]))
    return body
