"""Status, waiting and the doctor on real servers; the services are played by their traces."""

from datetime import timedelta
from typing import Any

import pytest
from aiokafka.errors import UnknownError

from reengage.checks import servers, work
from rules.version import RULES_VERSION
from shared.clock import SystemClock
from shared.kafka import Outgoing
from shared.topics import APPOINTMENTS, OUTREACH_EVENTS, OUTREACH_MESSAGES

pytestmark = pytest.mark.parametrize("reengage", ["motor"], indirect=True)
"""What matters here is Kafka: one driver of the database is enough."""

SERVICES = ("ingestor", "risk-engine", "outreach-tracker", "api-gateway")


def test_the_answer_has_the_shape_of_the_interface(reengage: Any, topics: Any, org_a: str, stack: Any) -> None:
    stack.runs("ingestor")
    ran = reengage("status", "--json")
    assert ran.status == 0
    assert ran.json.keys() == {"services", "topics", "lag", "organizations", "dead_letters"}
    assert ran.json["services"] == [{"name": "ingestor", "instance": "ingestor-1", "state": "ready"}]
    assert [topic.keys() for topic in ran.json["topics"]] == [{"topic", "group", "lag"}] * 6
    assert ran.json["lag"] == sum(topic["lag"] for topic in ran.json["topics"])
    assert ran.json["organizations"] == [
        {"organization_id": org_a, "state": "never", "last_sync_time": None, "last_error": None}
    ]
    for word in ("ingestor-1", "not running", org_a, "never"):
        assert word in reengage("status").out


def test_a_process_that_was_not_heard_of_for_long_is_left_out(reengage: Any, topics: Any, stack: Any) -> None:
    from datetime import UTC, datetime

    stack.runs("ingestor")
    stack["reengage"]["instances"].update_one({}, {"$set": {"at": datetime(2026, 1, 1, tzinfo=UTC)}})
    assert reengage("status", "--json").json["services"] == []


def test_processes_of_two_stacks_are_told_apart_though_they_have_one_name(
    reengage: Any, topics: Any, stack: Any
) -> None:
    stack.runs("ingestor")
    beat = stack["reengage"]["instances"].find_one({})
    stack["reengage"]["instances"].insert_one(beat | {"_id": "another"})
    assert len(reengage("status", "--json").json["services"]) == 2


def test_synchronizations_are_told_as_the_ingestor_left_them(
    reengage: Any, topics: Any, org_a: str, stack: Any
) -> None:
    from datetime import UTC, datetime

    at = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
    stack["ingestor"]["sync_status"].insert_one(
        {"_id": org_a, "state": "failing", "last_sync_time": at, "last_error": "Cliniko is away"}
    )
    (told,) = reengage("status", "--json").json["organizations"]
    assert told == {
        "organization_id": org_a,
        "state": "failing",
        "last_sync_time": "2026-11-26T09:30:00Z",
        "last_error": "Cliniko is away",
    }


def test_lag_is_what_a_group_has_not_committed(reengage: Any, topics: Any, all_read: None) -> None:
    assert reengage("status", "--json").json["lag"] == 0
    topics.publish(*[Outgoing(topics.of(APPOINTMENTS), str(number).encode(), b"x") for number in range(20)])
    told = reengage("status", "--json").json
    assert told["lag"] == 20
    assert [topic["lag"] for topic in told["topics"] if topic["topic"] == topics.of(APPOINTMENTS)] == [20]


def test_a_group_that_never_committed_has_all_before_it(reengage: Any, topics: Any, unique_name: str) -> None:
    topics.publish(Outgoing(topics.of(OUTREACH_EVENTS), b"k", b"x"))

    def lag() -> int:
        told = reengage("status", "--json").json["topics"]
        (found,) = [topic["lag"] for topic in told if topic["topic"] == topics.of(OUTREACH_EVENTS)]
        return int(found)

    assert lag() >= 1
    topics.catch_up(f"{unique_name}-outreach-tracker", OUTREACH_EVENTS)
    assert lag() == 0


def test_waiting_returns_when_nothing_is_before_anybody(reengage: Any, topics: Any, all_read: None) -> None:
    ran = reengage("status", "--wait", "--timeout", "5", "--json")
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.parametrize("topic", [APPOINTMENTS, OUTREACH_EVENTS, OUTREACH_MESSAGES])
def test_waiting_tells_who_is_behind_in_which_topic(reengage: Any, topics: Any, all_read: None, topic: str) -> None:
    topics.publish(Outgoing(topics.of(topic), b"k", b"x"))
    ran = reengage("status", "--wait", "--timeout", "0", "--json")
    assert ran.status == 1
    assert f"has 1 records of {topics.of(topic)} before it" in ran.err
    assert ran.json["lag"] == 1


@pytest.fixture
def summed_up(org_a: str, stack: Any) -> Any:
    """The risk engine's collections when all is summed up."""
    made_by = {"settings_revision": 1, "rules_version": RULES_VERSION, "rebuild": 0}
    stack["risk_engine"]["standings"].insert_one({"_id": org_a, **made_by, "building": None})
    stack["risk_engine"]["timelines"].insert_many([{"_id": f"{org_a}:p{number}", "home": 3} for number in range(3)])
    return stack["risk_engine"]


def test_waiting_returns_when_all_is_summed_up(reengage: Any, topics: Any, all_read: None, summed_up: Any) -> None:
    assert reengage("status", "--wait", "--timeout", "5").status == 0


def test_waiting_is_for_patients_that_are_not_summed_up(
    reengage: Any, topics: Any, all_read: None, summed_up: Any
) -> None:
    summed_up["timelines"].update_one({"_id": "org_a:p1"}, {"$set": {"dirty": 2**60}})
    ran = reengage("status", "--wait", "--timeout", "0")
    assert ran.status == 1
    assert "risk-engine has 1 patients to sum up" in ran.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"building": {"generation": 2}}, "building the results of org_a anew"),
        ({"settings_revision": 0}, "building the results of org_a anew"),
        ({"rules_version": RULES_VERSION - 1}, "building the results of org_a anew"),
        (None, "has not begun with org_a"),
    ],
)
def test_waiting_is_for_results_by_the_settings_and_rules_that_hold(
    reengage: Any, topics: Any, all_read: None, summed_up: Any, change: dict[str, Any] | None, told: str
) -> None:
    if change is None:
        summed_up["standings"].delete_many({})
    else:
        summed_up["standings"].update_one({}, {"$set": change})
    ran = reengage("status", "--wait", "--timeout", "0")
    assert ran.status == 1
    assert told in ran.err


def test_waiting_is_for_a_rebuild_that_nobody_has_begun(
    reengage: Any, topics: Any, all_read: None, org_a: str, summed_up: Any, stack: Any
) -> None:
    def waits_for() -> str:
        ran = reengage("status", "--wait", "--timeout", "0")
        assert ran.status == (1 if ran.err else 0)
        return str(ran.err)

    retold = stack["outreach_tracker"]["retold"]
    assert waits_for() == ""
    reengage("rebuild", org_a, "--no-wait")
    assert "outreach-tracker is telling the messages of org_a anew" in waits_for()
    retold.insert_one({"_id": org_a, "number": 1, "done": False})
    assert "outreach-tracker is telling the messages of org_a anew" in waits_for()
    retold.update_one({"_id": org_a}, {"$set": {"done": True}})
    assert "risk-engine is building the results of org_a anew" in waits_for()
    summed_up["standings"].update_one({"_id": org_a}, {"$set": {"rebuild": 1}})
    assert waits_for() == ""
    reengage("rebuild", org_a, "--no-wait")
    assert "outreach-tracker is telling the messages of org_a anew" in waits_for()


def test_a_rebuild_of_an_organization_that_was_removed_is_not_waited_for(
    reengage: Any, topics: Any, all_read: None, org_a: str
) -> None:
    reengage("rebuild", org_a, "--no-wait")
    reengage("org", "remove", org_a, "--yes")
    assert reengage("status", "--wait", "--timeout", "0").status == 0


def test_a_kafka_that_is_away_is_told_in_one_line(reengage: Any, topics: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = reengage("status", "--json", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("reengage: Kafka at 127.0.0.1:1 does not answer")
    assert ran.err.count("\n") == 1


def test_the_doctor_finds_nothing_where_nothing_is_wrong(
    reengage: Any, topics: Any, all_read: None, org_a: str, stack: Any, cliniko: Any
) -> None:
    stack.runs(*SERVICES)
    stack["ingestor"]["sync_status"].insert_one({"_id": org_a, "state": "ok", "last_sync_time": None})
    told = reengage("doctor", "--json", REENGAGE_GATEWAY_PORT=str(cliniko.port))
    wrong = {check["check"] for check in told.json["checks"] if not check["ok"]}
    assert wrong <= {"gateway's port", "dead letters", "disk", "MongoDB's disk"}
    checked = {check["check"] for check in told.json["checks"]}
    assert {*SERVICES, "MongoDB", "Kafka", "topics", "lag", "clock", "settling", "sealing keys", "disk"} <= checked


def test_the_doctor_says_what_to_do_about_each_problem(
    reengage: Any, topics: Any, org_a: str, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.identity import new_sealing_key

    monkeypatch.setattr(work, "MOVES_WITHIN_SECONDS", 0.0)
    topics.publish(Outgoing(topics.of(APPOINTMENTS), b"k", b"x"))
    stack.runs("ingestor", state="starting")
    stack["ingestor"]["sync_status"].insert_one({"_id": org_a, "state": "stopped", "last_error": "refused with 401"})
    stack["risk_engine"]["timelines"].insert_many(
        [{"_id": f"{org_a}:p{age}", "home": age % 12, "dirty": ago(seconds=age)} for age in (1, 200, 100)]
    )
    ran = reengage("doctor", "--json", REENGAGE_ENCRYPTION_KEYS=new_sealing_key("k9"), REENGAGE_GATEWAY_PORT="1")
    assert ran.status == 1
    assert ran.json["ok"] is False
    advice = {check["check"]: check["advice"] for check in ran.json["checks"] if not check["ok"]}
    assert "org set-key" in advice["sealing keys"]
    assert "log" in advice["ingestor"]
    assert "make up" in advice["risk-engine"]
    assert f"org set-key {org_a}" in advice[f"synchronization of {org_a}"]
    assert "does not settle" in advice["settling"]
    assert "state above" in advice["lag"]
    assert "REENGAGE_GATEWAY_PORT" in advice["gateway's port"]
    for_people = reengage("doctor")
    assert for_people.status == 1
    assert "problem  risk-engine: not running" in for_people.out
    assert "has waited for 0:03:" in for_people.out


def test_the_doctor_does_not_ask_for_a_key_when_patients_are_missing(
    reengage: Any, topics: Any, org_a: str, stack: Any
) -> None:
    lost = "Cliniko no longer lists 90 of 100 patients"
    stack["ingestor"]["sync_status"].insert_one({"_id": org_a, "state": "stopped", "last_error": lost})
    found = reengage("doctor", "--json").json["checks"]
    (advice,) = [check["advice"] for check in found if check["check"] == f"synchronization of {org_a}"]
    assert "see all patients in Cliniko" in advice
    assert "set-key" not in advice


def test_the_doctor_leaves_the_risk_engine_a_moment(reengage: Any, topics: Any, org_a: str, stack: Any) -> None:
    stack["risk_engine"]["timelines"].insert_one({"_id": f"{org_a}:p", "home": 3, "dirty": ago(seconds=20)})
    (found,) = [check for check in reengage("doctor", "--json").json["checks"] if check["check"] == "settling"]
    assert found["ok"]


def test_the_doctor_finds_patients_whom_no_rule_can_stand(reengage: Any, topics: Any, org_a: str, stack: Any) -> None:
    failed = {"_id": f"{org_a}:p", "organization_id": org_a, "home": 3, "failed": "OverflowError at calendar.py:52"}
    stack["risk_engine"]["timelines"].insert_one(failed)
    (found,) = [check for check in reengage("doctor", "--json").json["checks"] if check["check"] == "settling"]
    assert not found["ok"]
    assert org_a in found["found"]
    assert "OverflowError" in found["found"]


def test_the_doctor_finds_topics_that_the_services_would_refuse(
    reengage: Any, topics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "PARTITIONS", 12)
    (found,) = [check for check in reengage("doctor", "--json").json["checks"] if check["check"] == "topics"]
    assert topics.of(APPOINTMENTS) in found["found"]


def test_the_doctor_goes_on_without_servers(reengage: Any) -> None:
    ran = reengage(
        "doctor",
        "--json",
        MONGODB_URI="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
    )
    assert ran.status == 1
    wrong = [check for check in ran.json["checks"] if not check["ok"]]
    assert {"MongoDB", "servers"} <= {check["check"] for check in wrong}
    assert any("Kafka at 127.0.0.1:1 does not answer" in check["found"] for check in wrong)


def test_the_doctor_examines_kafka_without_mongodb(reengage: Any, topics: Any, all_read: None) -> None:
    told = reengage("doctor", "--json", MONGODB_URI="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100").json
    answered = {check["check"]: check["ok"] for check in told["checks"]}
    assert not answered["MongoDB"]
    assert (answered["Kafka"], answered["topics"], answered["lag"]) == (True, True, True)
    assert "dead letters" not in answered


def test_a_kafka_that_fails_under_the_doctor_is_a_finding(
    reengage: Any, topics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> Any:
        raise UnknownError

    monkeypatch.setattr(work, "lag", fail)
    told = reengage("doctor", "--json").json["checks"]
    assert [check["found"] for check in told if check["check"] == "Kafka"][1:] == ["does not answer (UnknownError)"]
    assert told[-1]["check"] == "gateway's port"


def ago(*, seconds: int) -> int:
    """An instant as the risk engine marks a timeline with it."""
    return SystemClock().now() - timedelta(seconds=seconds) // timedelta(microseconds=1)
