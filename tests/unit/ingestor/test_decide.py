"""What is told, given what was told before."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.compose import APPOINTMENT, COMMUNICATION, CONTACT, Fact, NoFact
from ingestor.decide import ENVELOPES, Published, Told, decide, erased
from rules.instants import parse_instant


def an_appointment(patient: str = "1", *, fact_id: str = "21", starts_at: int = 100) -> Fact:
    content = {
        "patient_id": patient,
        "appointment_id": fact_id,
        "booking_id": fact_id,
        "kind": "individual",
        "created_at": 4,
        "starts_at": starts_at,
        "ends_at": None,
        "cancelled_at": None,
        "gone_at": None,
        "did_not_arrive": False,
        "arrived": False,
        "appointment_type": None,
        "practitioner": None,
        "business": None,
    }
    return Fact(APPOINTMENT, fact_id, patient, content)


def told_of(fact: Fact | NoFact, before: Published | None = None, *, updated_at: int = 5, read_at: int = 10) -> Any:
    return decide("org_a", APPOINTMENT, fact, before, updated_at=updated_at, read_at=read_at)


def shown(told: list[Told]) -> list[tuple[str, str, str]]:
    return [(each.type, each.key.decode(), orjson.loads(each.value)["data"]["appointment_id"]) for each in told]


FIRST = told_of(an_appointment())[1]


def test_the_first_time_it_is_told_under_the_patients_key():
    told, after = told_of(an_appointment())
    assert shown(told) == [("appointment.changed.v1", "org_a:1", "21")]
    event = ENVELOPES[told[0].type].model_validate_json(told[0].value)
    assert (event.data.version.updated_at, event.data.version.read_at) == (5, 10)
    assert (event.id, event.source, event.subject) == (
        "appointment/21/appointment.changed.v1/5.10",
        "/ingestor/org_a",
        "1",
    )
    assert after == Published("21", "1", after.hash, 5, 10)


def test_the_same_again_is_not_told_whatever_its_version():
    assert told_of(an_appointment(), FIRST, updated_at=9, read_at=20) == ([], FIRST)


def test_other_content_of_the_same_version_is_told_as_the_later_read():
    (event,), after = told_of(an_appointment(starts_at=101), FIRST, read_at=20)
    assert orjson.loads(event.value)["data"]["version"]["read_at"] == "1970-01-01T00:00:00.000020Z"
    assert after.read_at == 20


def test_a_later_read_is_later_though_the_clock_was_set_back():
    _, after = told_of(an_appointment(starts_at=101), FIRST, read_at=3)
    assert after.read_at == FIRST.read_at + 1


def test_a_version_older_than_the_one_told_is_not_told():
    assert told_of(an_appointment(starts_at=101), FIRST, updated_at=4, read_at=20) == ([], FIRST)


def test_what_moves_to_another_patient_leaves_the_first():
    told, after = told_of(an_appointment("2"), FIRST, read_at=20)
    assert shown(told) == [("appointment.changed.v1", "org_a:2", "21"), ("appointment.left.v1", "org_a:1", "21")]
    assert (after.patient, after.fact) == ("2", "21")


def test_what_gets_another_id_leaves_the_first_id():
    told, _ = told_of(an_appointment(fact_id="31/41"), FIRST, read_at=20)
    assert shown(told) == [("appointment.changed.v1", "org_a:1", "31/41"), ("appointment.left.v1", "org_a:1", "21")]


def test_what_says_nothing_changes_nothing():
    assert told_of(NoFact.UNTOLD, FIRST, read_at=20) == ([], FIRST)
    assert told_of(NoFact.UNTOLD) == ([], None)


def test_what_is_withdrawn_leaves_its_patient_once():
    told, after = told_of(NoFact.WITHDRAWN, FIRST, read_at=20)
    assert (shown(told), after) == ([("appointment.left.v1", "org_a:1", "21")], None)
    assert told_of(NoFact.WITHDRAWN, None, read_at=30) == ([], None)


def test_a_contact_never_leaves():
    with pytest.raises(ValueError, match="contact"):
        decide("org_a", CONTACT, NoFact.WITHDRAWN, FIRST, updated_at=5, read_at=20)


def test_a_sent_communication_that_was_never_told_says_nothing():
    assert decide("org_a", COMMUNICATION, NoFact.WITHDRAWN, None, updated_at=5, read_at=1) == ([], None)


def test_an_erasure_is_told_under_the_patients_key():
    told = erased("org_a", "1", erased_at=7, updated_at=9, read_at=20)
    data = orjson.loads(told.value)["data"]
    assert (told.topic, told.key, told.type) == ("cliniko-contacts", b"org_a:1", "contact.erased.v1")
    assert data == {
        "organization_id": "org_a",
        "patient_id": "1",
        "version": {"updated_at": "1970-01-01T00:00:00.000009Z", "read_at": "1970-01-01T00:00:00.000020Z"},
        "erased_at": "1970-01-01T00:00:00.000007Z",
    }


READS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from("12"), st.sampled_from(["21", "31/41"]), st.integers(100, 102)),
    max_size=12,
)


@given(READS)
def test_who_applies_what_is_told_by_version_holds_what_was_read_last(reads: list[tuple[int, str, str, int]]):
    """Whatever the order in which the events arrive: the greatest version wins, by patient and id."""
    before: Published | None = None
    newest: tuple[int, str, str, int] | None = None
    events: list[Told] = []
    for read_at, read in enumerate(reads):
        updated_at, patient, fact_id, starts_at = read
        if newest is not None and updated_at < newest[0]:
            continue  # an older version is no news: the store leaves it out
        newest = read
        fact = an_appointment(patient, fact_id=fact_id, starts_at=starts_at)
        told, before = told_of(fact, before, updated_at=updated_at, read_at=read_at)
        events += told
    held: dict[tuple[str, str], tuple[tuple[int, ...], str | None]] = {}
    for event in reversed(events):
        data = orjson.loads(event.value)["data"]
        version = tuple(parse_instant(data["version"][name]) for name in ("updated_at", "read_at"))
        key = (data["patient_id"], data["appointment_id"])
        if key not in held or version > held[key][0]:
            held[key] = (version, data.get("starts_at"))
    standing = {key: starts for key, (_, starts) in held.items() if starts is not None}
    expected = {} if newest is None else {(newest[1], newest[2]): f"1970-01-01T00:00:00.000{newest[3]:03}Z"}
    assert standing == expected
