"""Dead letters on a real Kafka: listed, shown, put back."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from reengage.checks import work
from shared.dead_letters import DeadLetter
from shared.records import Record
from shared.topics import CONTACTS, OUTREACH_EVENTS

SECRET = "Jane Citizen"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.parametrize("reengage", ["motor"], indirect=True)
"""What matters here is Kafka: one driver of the database is enough."""


@pytest.fixture
def letter(topics: Any, reengage: Any) -> str:
    """The id of a new dead letter of a record with a key, a value and a header of its own."""
    error = uuid.uuid4().hex
    record = Record(
        topics.of(OUTREACH_EVENTS), 3, 17, b"org_a:p1", SECRET.encode(), (("trace", b"t-1"), ("empty", None)), 0
    )
    topics.bury(DeadLetter.invalid(record, error))
    (found,) = [each["id"] for each in reengage("dlq", "list", "--json").json if error in each["error"]]
    return str(found)


def listed(reengage: Any, letter: str) -> dict[str, Any]:
    (found,) = [each for each in reengage("dlq", "list", "--json").json if each["id"] == letter]
    return dict(found)


def test_a_list_tells_whence_a_letter_came_and_never_what_it_says(reengage: Any, topics: Any, letter: str) -> None:
    found = listed(reengage, letter)
    assert found["origin"] == {"topic": topics.of(OUTREACH_EVENTS), "partition": 3, "offset": 17}
    assert found["error"].startswith("InvalidEvent: ")
    assert (found["attempts"], found["truncated"]) == (1, False)
    assert (found["replayed_at"], found["left_alone"]) == (None, None)
    for ran in (reengage("dlq", "list"), reengage("dlq", "list", "--json"), reengage("dlq", "show", letter)):
        assert ran.status == 0
        assert letter in ran.out
        assert SECRET not in ran.out + ran.err
        assert "org_a:p1" not in ran.out + ran.err


def test_a_list_can_be_of_one_topic_by_either_name(reengage: Any, topics: Any, letter: str) -> None:
    for name in (OUTREACH_EVENTS, f"{OUTREACH_EVENTS}-dlq"):
        assert letter in reengage("dlq", "list", "--topic", topics.of(name)).out
    assert letter not in reengage("dlq", "list", "--topic", topics.of("cliniko-contacts")).out
    assert reengage("dlq", "list", "--topic", "nonsense").status == 2


def test_a_letter_is_shown_with_its_value_on_request_alone(reengage: Any, letter: str) -> None:
    shown = reengage("dlq", "show", letter, "--json").json
    assert shown["bytes"] == len(SECRET)
    assert shown["headers"]["dlq-offset"] == "17"
    assert not {"key", "value"} & shown.keys()
    whole = reengage("dlq", "show", letter, "--value", "--json")
    assert (whole.json["key"], whole.json["value"]) == ("org_a:p1", SECRET)
    assert "data of patients" in whole.err


def test_a_replayed_letter_is_the_record_as_it_came(reengage: Any, topics: Any, letter: str) -> None:
    ran = reengage("dlq", "replay", letter, "--json")
    assert ran.json == {"replayed": [letter]}
    record = topics.newest(OUTREACH_EVENTS)
    assert (record.key, record.value) == (b"org_a:p1", SECRET.encode())
    assert record.headers == (("trace", b"t-1"), ("empty", b""), ("dlq-attempts", b"1"))
    assert listed(reengage, letter)["replayed_at"] is not None


def test_all_that_were_not_replayed_are_replayed_once(reengage: Any, topics: Any, letter: str) -> None:
    topic = topics.of(OUTREACH_EVENTS)
    first = reengage("dlq", "replay", "--all", "--topic", topic, "--json").json["replayed"]
    assert letter in first
    assert reengage("dlq", "replay", "--all", "--topic", topic, "--json").json["replayed"] == []
    assert reengage("dlq", "replay", letter, "--json").json["replayed"] == [letter]


def test_status_counts_the_letters_that_wait(reengage: Any, topics: Any, letter: str) -> None:
    before = reengage("status", "--json").json["dead_letters"]
    reengage("dlq", "replay", letter)
    assert reengage("status", "--json").json["dead_letters"] == before - 1


def test_a_letter_that_says_a_foreign_origin_is_not_replayed(reengage: Any, topics: Any, letter: str) -> None:
    from shared.kafka import Outgoing

    strayed = uuid.uuid4().hex
    headers = [("dlq-topic", b"somewhere-else"), ("dlq-error", strayed.encode())]
    topics.publish(Outgoing(topics.of(f"{OUTREACH_EVENTS}-dlq"), b"k", b"v", headers))
    (found,) = [each["id"] for each in reengage("dlq", "list", "--json").json if each["error"] == strayed]
    ran = reengage("dlq", "replay", found)
    assert ran.status == 1
    assert "not its topic" in ran.err
    every = reengage("dlq", "replay", "--all", "--json")
    assert letter in every.json["replayed"]
    assert found not in every.json["replayed"]
    assert f"{found} stays: it says that it came from 'somewhere-else'" in every.err


def test_a_fact_of_a_clinic_that_had_the_id_before_is_not_replayed(reengage: Any, topics: Any, added: Any) -> None:
    error = uuid.uuid4().hex
    topics.bury(DeadLetter.invalid(Record(topics.of(CONTACTS), 0, 1, b"org_again:p1", b"{}", (), 0), error))
    (old,) = [each["id"] for each in reengage("dlq", "list", "--json").json if error in each["error"]]
    assert added("org_again").status == 0
    assert reengage("org", "remove", "org_again", "--yes").status == 0
    assert added("org_again").status == 0
    topics.bury(DeadLetter.invalid(Record(topics.of(CONTACTS), 0, 2, b"org_again:p1", b"{}", (), 0), error))
    (new,) = [
        each["id"] for each in reengage("dlq", "list", "--json").json if error in each["error"] and each["id"] != old
    ]

    refused = reengage("dlq", "replay", old)
    assert refused.status == 1
    assert "had its organization's id before" in refused.err
    ran = reengage("dlq", "replay", "--all", "--topic", topics.of(CONTACTS), "--json")
    assert new in ran.json["replayed"]
    assert old not in ran.json["replayed"]
    assert "of clinics that were removed" in ran.err


def test_letters_of_a_clinic_that_was_removed_are_marked_and_left_alone(reengage: Any, topics: Any, added: Any) -> None:
    assert added("org_here").status == 0
    assert added("org_gone").status == 0
    error = uuid.uuid4().hex
    keys = (b"org_gone:p1", b"org_here:p1", b"org_unknown:p1", None)
    for offset, key in enumerate(keys):
        topics.bury(DeadLetter.invalid(Record(topics.of(CONTACTS), 0, offset, key, b"\xff", (), 0), error))
    found = {
        each["origin"]["offset"]: each["id"]
        for each in reengage("dlq", "list", "--json").json
        if error in each["error"]
    }
    assert reengage("org", "remove", "org_gone", "--yes").status == 0

    assert [listed(reengage, found[offset])["left_alone"] for offset in range(len(keys))] == [
        "of a clinic that was removed",
        None,
        None,
        None,
    ]
    assert reengage("dlq", "show", found[0], "--json").json["left_alone"] == "of a clinic that was removed"
    refused = reengage("dlq", "replay", found[0])
    assert (refused.status, "of a clinic that was removed: it is not replayed" in refused.err) == (1, True)
    ran = reengage("dlq", "replay", "--all", "--topic", topics.of(CONTACTS), "--json")
    assert set(found.values()) - set(ran.json["replayed"]) == {found[0]}


def test_letters_of_a_clinic_that_was_removed_do_not_count(
    reengage: Any, topics: Any, added: Any, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOVES_WITHIN_SECONDS", 0.0)

    def judged() -> tuple[int, bool, str, str | None]:
        count = reengage("status", "--json").json["dead_letters"]
        (check,) = [each for each in reengage("doctor", "--json").json["checks"] if each["check"] == "dead letters"]
        return count, check["ok"], check["found"], check["advice"]

    def bury(key: bytes) -> None:
        topics.bury(DeadLetter.invalid(Record(topics.of(CONTACTS), 0, 1, key, b"{}", (), 0), "a rule"))

    earlier = [each["id"] for each in reengage("dlq", "list", "--json").json]
    stack["reengage"]["dlq_replays"].insert_many([{"_id": one, "replayed_at": LONG_AGO} for one in earlier])
    assert added("org_gone").status == 0
    assert judged() == (0, True, "none that waits for somebody", None)
    bury(b"org_gone:p1")
    assert judged()[:3] == (1, False, "1")
    assert reengage("org", "remove", "org_gone", "--yes").status == 0
    rest = "; 1 of removed clinics run out by themselves"
    assert judged() == (0, True, f"none that waits for somebody{rest}", None)
    assert added("org_gone").status == 0
    assert judged() == (0, True, f"none that waits for somebody{rest}", None)
    bury(b"org_gone:p1")
    count, ok, told, advice = judged()
    assert (count, ok, told) == (1, False, f"1{rest}")
    assert "dlq replay --all" in str(advice)


def test_wrong_ids_are_told_apart_from_letters_that_are_gone(reengage: Any, topics: Any) -> None:
    assert reengage("dlq", "show", "nonsense").status == 2
    gone = reengage("dlq", "show", f"{topics.of(OUTREACH_EVENTS)}-dlq:0:99999")
    assert gone.status == 1
    assert "no dead letter" in gone.err


def test_replaying_wants_either_ids_or_all(reengage: Any, topics: Any) -> None:
    assert reengage("dlq", "replay").status == 2
    assert reengage("dlq", "replay", "--all", "x-dlq:0:0").status == 2
