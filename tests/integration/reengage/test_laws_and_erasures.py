"""What `verify`, `rebuild` and `erase` say when nothing can be done, or nobody is there to do it."""

from typing import Any

from shared.erasure import erasure_id

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


def test_an_unknown_patient_cannot_be_erased_and_an_erased_one_is(reengage: Any, org_a: str, stack: Any) -> None:
    ran = reengage("erase", org_a, PATIENT, "--yes")
    assert ran.status == 1
    assert "nothing is held of this patient" in ran.err
    stack["risk_engine"]["erasures"].insert_one({"_id": erasure_id(f"{org_a}:{PATIENT}"), "organization_id": org_a})
    assert reengage("erase", org_a, PATIENT, "--yes", "--json").json["state"] == "erased"


def test_a_rebuild_is_asked_for_by_a_number_that_grows(reengage: Any, org_a: str, stack: Any) -> None:
    numbers = [reengage("rebuild", org_a, "--no-wait", "--json").json["number"] for _ in range(2)]
    assert numbers == [1, 2]
    assert [each["number"] for each in stack["reengage"]["rebuild_requests"].find()] == [2]


def test_there_is_nothing_to_verify_before_there_are_results(reengage: Any, org_a: str) -> None:
    ran = reengage("verify", org_a, "--json")
    assert ran.status == 1
    assert "no results" in ran.err
    assert reengage("verify", "org_nobody").status == reengage("rebuild", "org_nobody", "--no-wait").status == 1
