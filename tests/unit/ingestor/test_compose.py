"""Which fact records make together."""

from typing import Any

import pytest

from ingestor.compose import (
    Names,
    NoFact,
    communication,
    contact,
    health_conditions,
    individual,
    place,
    recall,
)
from ingestor.records import (
    Attendee,
    Communication,
    Condition,
    GroupAppointment,
    IndividualAppointment,
    MedicalAlert,
    Patient,
    PatientCase,
    Recall,
    ReferralSource,
)

NAMES = Names(
    {
        "appointment_types": {"51": "Initial"},
        "practitioners": {"61": "Quinn"},
        "businesses": {"71": "Sample Street"},
        "referral_source_types": {"81": "Web", "82": None},
    }
)


def a_patient(**fields: Any) -> Patient:
    usual = dict.fromkeys(
        [
            "archived_at",
            "merged_at",
            "merged_into",
            "email",
            "phone",
            "accepts_sms_marketing",
            "accepts_email_marketing",
            "reminder_type",
            "referral_source",
        ]
    )
    return Patient(
        **{"id": "1", "updated_at": 5, "created_at": 4, "first_name": "Zara", "last_name": "T", **usual, **fields}
    )


def alert(name: str | None, *, number: str = "1", created_at: int = 1, gone_at: int | None = None) -> Condition:
    return MedicalAlert(id=number, updated_at=1, patient="1", created_at=created_at, gone_at=gone_at, name=name)


def case(name: str, *, number: str = "1", created_at: int = 1, gone_at: int | None = None) -> Condition:
    return PatientCase(id=number, updated_at=1, patient="1", created_at=created_at, gone_at=gone_at, name=name)


def source(kind: str | None, *, updated_at: int = 1, gone_at: int | None = None) -> ReferralSource:
    return ReferralSource(id="1", updated_at=updated_at, patient="1", gone_at=gone_at, type=kind)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [("Zara", "T", "Zara T"), (" Zara ", "T ", "Zara T"), (None, "T", "T"), ("Zara", None, "Zara"), (None, None, "")],
)
def test_the_name_is_first_and_last_name(first: str | None, last: str | None, name: str):
    assert contact(a_patient(first_name=first, last_name=last), [], NAMES).content["name"] == name


def test_conditions_are_alerts_then_cases_each_in_order_of_creation_and_once():
    parts = [
        case("Knee", created_at=1),
        alert("Nuts", created_at=3),
        alert("Latex", created_at=2),
        case("Latex", created_at=9),
        alert("Gone", created_at=1, gone_at=5),
        alert(None, created_at=1),
    ]
    assert health_conditions(parts) == ("Latex", "Nuts", "Knee")


def test_of_conditions_made_in_one_second_the_smaller_id_comes_first_as_text():
    assert health_conditions([alert("b", number="9"), alert("a", number="10")]) == ("a", "b")


@pytest.mark.parametrize(
    ("own", "sources", "expected"),
    [
        ("A friend", [source("81")], "A friend"),
        (None, [source("81")], "Web"),
        (None, [], None),
        (None, [source("82")], None),
        (None, [source("unknown")], None),
        (None, [source(None)], None),
        (None, [source("81", gone_at=1)], None),
        (None, [source("unknown", updated_at=1), source("81", updated_at=2)], "Web"),
    ],
)
def test_the_referral_source_is_the_patients_own_text_else_the_newest_sources_type(
    own: str | None, sources: list[ReferralSource], expected: str | None
):
    assert contact(a_patient(referral_source=own), sources, NAMES).content["referral_source"] == expected


def an_attendee(**fields: Any) -> Attendee:
    usual = {"gone_at": None, "cancelled_at": None, "arrived": None, "created_at": 4, "updated_at": 5}
    return Attendee(**{"id": "41", "patient": "1", "booking": "31", **usual, **fields})


def a_class(**fields: Any) -> GroupAppointment:
    usual = {"gone_at": None, "starts_at": 100, "ends_at": 200, "type": "51", "practitioner": "61", "business": "71"}
    return GroupAppointment(**{"id": "31", "updated_at": 5, **usual, **fields})


@pytest.mark.parametrize(
    ("own", "of_class", "gone_at"), [(None, None, None), (7, None, 7), (None, 8, 8), (7, 8, 7), (9, 8, 8)]
)
def test_a_place_is_gone_when_it_or_its_class_is(own: int | None, of_class: int | None, gone_at: int | None):
    fact = place(an_attendee(gone_at=own), a_class(gone_at=of_class), NAMES)
    assert not isinstance(fact, NoFact)
    assert fact.content["gone_at"] == gone_at


def test_a_place_is_created_and_cancelled_by_the_attendee_and_starts_with_the_class():
    fact = place(an_attendee(cancelled_at=6, arrived=False), a_class(), NAMES)
    assert not isinstance(fact, NoFact)
    assert (fact.id, fact.patient) == ("31/41", "1")
    assert fact.content == {
        "patient_id": "1",
        "appointment_id": "31/41",
        "booking_id": "31",
        "kind": "group",
        "created_at": 4,
        "starts_at": 100,
        "ends_at": 200,
        "cancelled_at": 6,
        "gone_at": None,
        "did_not_arrive": True,
        "arrived": False,
        "appointment_type": "Initial",
        "practitioner": "Quinn",
        "business": "Sample Street",
    }


@pytest.mark.parametrize("lacking", [{"patient": None}, {"booking": None}])
def test_an_attendee_that_names_no_patient_or_booking_makes_no_fact(lacking: dict[str, None]):
    assert place(an_attendee(**lacking), a_class(), NAMES) is NoFact.UNTOLD


def test_an_attendee_of_no_known_class_makes_no_fact():
    assert place(an_attendee(), None, NAMES) is NoFact.UNTOLD


def test_an_appointment_may_name_nothing_but_its_patient():
    bare = IndividualAppointment(
        id="21",
        updated_at=5,
        patient="1",
        created_at=4,
        gone_at=None,
        cancelled_at=None,
        starts_at=100,
        ends_at=None,
        did_not_arrive=False,
        arrived=False,
        type=None,
        practitioner="unknown",
        business=None,
    )
    fact = individual(bare, NAMES)
    assert not isinstance(fact, NoFact)
    assert [fact.content[name] for name in ("appointment_type", "practitioner", "business")] == [None] * 3


def test_a_sent_communication_is_withdrawn_and_one_of_nobody_says_nothing():
    def made(*, received: bool, patient: str | None = "1") -> Communication:
        return Communication(id="9", updated_at=5, patient=patient, created_at=4, received=received, channel="sms")

    assert communication(made(received=False)) is NoFact.WITHDRAWN
    assert communication(made(received=True, patient=None)) is NoFact.UNTOLD
    fact = communication(made(received=True))
    assert not isinstance(fact, NoFact)
    assert fact.content["received_at"] == 4


def test_a_recall_without_a_day_makes_no_fact():
    assert recall(Recall("9", 5, "1", 4, None, None)) is NoFact.UNTOLD
