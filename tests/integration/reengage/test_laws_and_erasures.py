"""What `verify`, `rebuild` and `erase` say when nothing can be done, or nobody is there to do it."""

from types import SimpleNamespace
from typing import Any

import pytest

from ingestor.store.documents import mark_of
from reengage import erasing
from shared.erasure import erasure_id
from shared.timelines import home_partition

PATIENT = "1508812345678901201"


def _holds_a_patient(stack: Any, org: str) -> None:
    timeline = {"_id": f"{org}:{PATIENT}", "organization_id": org, "patient_id": PATIENT, "home": 3, "revision": 1}
    facts = {
        "contact": {"v": "1", "name": "Zara Testerton"},
        "recalls": {"1": {"v": "1"}, "2": {"v": "1", "left": True}},
    }
    stack["risk_engine"]["timelines"].insert_one(timeline | facts)


def test_an_erasure_shows_what_is_held_and_asks(reengage: Any, org_a: str, stack: Any) -> None:
    _holds_a_patient(stack, org_a)
    ran = reengage("erase", org_a, PATIENT)
    assert ran.status == 2
    assert "Zara Testerton: 1 recalls" in ran.err
    assert "add --yes" in ran.err
    assert stack["reengage"]["erasure_requests"].count_documents({}) == 0


def test_an_erasure_that_nobody_serves_says_so_and_stays_asked_for(reengage: Any, org_a: str, stack: Any) -> None:
    _holds_a_patient(stack, org_a)
    ran = reengage("erase", org_a, PATIENT, "--yes", "--timeout", "0", "--json")
    assert (ran.status, ran.json["state"], ran.json["erased"]["recalls"]) == (1, "pending", 1)
    assert "no ingestor is running" in ran.err
    (request,) = stack["reengage"]["erasure_requests"].find()
    assert (request["organization_id"], request["patient_id"], request["state"]) == (org_a, PATIENT, "requested")


@pytest.mark.parametrize(
    ("timeline", "record", "called"),
    [
        ({"contact": {"name": "Kim Lee"}}, True, "Kim Lee"),
        ({"contact": {"name": ""}}, True, "a patient without a name"),
        ({"contact": {"name": " "}}, True, "a patient without a name"),
        ({}, True, "a patient without a name"),
        ({}, False, "a patient without a record"),
    ],
)
def test_erasing_says_whom(
    reengage: Any, org_a: str, stack: Any, timeline: dict[str, Any], record: bool, called: str
) -> None:
    document = {"_id": f"{org_a}:{PATIENT}", "organization_id": org_a, "patient_id": PATIENT, **timeline}
    stack["risk_engine"]["timelines"].insert_one(document)
    if record:
        stack["ingestor"]["records"].insert_one({"_id": f"{org_a}|patients|{PATIENT}"})
    assert f"{called}: no facts\n" in reengage("erase", org_a, PATIENT, typed="n\n").err


def test_an_unknown_patient_cannot_be_erased_and_an_erased_one_is(reengage: Any, org_a: str, stack: Any) -> None:
    ran = reengage("erase", org_a, PATIENT, "--yes")
    assert ran.status == 1
    assert "nothing is held of this patient" in ran.err
    _has_marker(stack, org_a, "risk_engine", "outreach_tracker")
    ran = reengage("erase", org_a, PATIENT, "--yes", "--json")
    assert (ran.status, ran.json["state"]) == (0, "erased")


@pytest.mark.parametrize(
    ("marked", "behind"), [("risk_engine", "outreach-tracker"), ("outreach_tracker", "risk-engine")]
)
def test_asked_again_an_erasure_is_pending_where_a_service_has_not_heard_of_it(
    reengage: Any, org_a: str, stack: Any, marked: str, behind: str
) -> None:
    _has_marker(stack, org_a, marked)
    ran = reengage("erase", org_a, PATIENT, "--yes", "--timeout", "0", "--json")
    assert (ran.status, ran.json["state"], ran.json["pending"]) == (1, "pending", [behind])
    assert f"not everywhere yet: {behind}" in ran.err


def test_asked_again_an_erasure_that_only_the_ingestor_knows_is_pending(reengage: Any, org_a: str, stack: Any) -> None:
    mark = mark_of(org_a, PATIENT)
    stack["ingestor"]["records"].insert_one(mark)
    ran = reengage("erase", org_a, PATIENT, "--yes", "--timeout", "0", "--json")
    assert (ran.status, ran.json["pending"]) == (1, ["risk-engine", "outreach-tracker"])


@pytest.mark.parametrize("left", ["assessment", "timeline", "merged patient's timeline"])
def test_asked_again_an_erasure_is_pending_while_results_are_unsettled(
    reengage: Any, org_a: str, stack: Any, left: str
) -> None:
    _has_marker(stack, org_a, "risk_engine", "outreach_tracker")
    engine = stack["risk_engine"]
    engine["standings"].insert_one({"_id": org_a, "generation": 1, "building": None})
    if left == "assessment":
        engine["assessments"].insert_one({"_id": f"{org_a}|1|{PATIENT}"})
    else:
        patient = PATIENT if left == "timeline" else "77"
        stub = {"_id": f"{org_a}:{patient}", "organization_id": org_a, "patient_id": patient, "erased": True}
        engine["timelines"].insert_one(stub | {"home": home_partition(org_a), "revision": 2, "dirty": 1})
    ran = reengage("erase", org_a, PATIENT, "--yes", "--timeout", "0", "--json")
    assert (ran.status, ran.json["pending"]) == (1, ["risk-engine"])


def test_asked_again_an_erasure_is_waited_for(
    reengage: Any, org_a: str, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _has_marker(stack, org_a, "risk_engine")

    async def sleep(_: float) -> None:
        _has_marker(stack, org_a, "outreach_tracker")

    monkeypatch.setattr(erasing, "asyncio", SimpleNamespace(sleep=sleep))
    ran = reengage("erase", org_a, PATIENT, "--yes")
    assert ran.status == 0
    assert stack["outreach_tracker"]["erasures"].count_documents({}) == 1, "waited until the tracker had heard of it"


def _has_marker(stack: Any, org: str, *databases: str) -> None:
    for database in databases:
        stack[database]["erasures"].insert_one({"_id": erasure_id(f"{org}:{PATIENT}"), "organization_id": org})


def test_a_rebuild_is_asked_for_by_a_number_that_grows(reengage: Any, org_a: str, stack: Any) -> None:
    numbers = [reengage("rebuild", org_a, "--no-wait", "--json").json["number"] for _ in range(2)]
    assert numbers == [1, 2]
    assert [each["number"] for each in stack["reengage"]["rebuild_requests"].find()] == [2]


def test_there_is_nothing_to_verify_before_there_are_results(reengage: Any, org_a: str) -> None:
    ran = reengage("verify", org_a, "--json")
    assert ran.status == 1
    assert "no results" in ran.err
    assert reengage("verify", "org_nobody").status == reengage("rebuild", "org_nobody", "--no-wait").status == 1
