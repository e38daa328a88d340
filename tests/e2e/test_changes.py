"""A change in Cliniko is visible at the gateway within one synchronization, an outreach event within a second."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from support.clinics import random_clinic
from support.system import A_DAY, Json, System

ORGANIZATION = "org_changes"
SYNC_SECONDS = 2.0
VISIBLE_WITHIN = 3 * SYNC_SECONDS
"""One interval until the synchronization begins; the rest for it and for a busy machine."""

EVENT_VISIBLE_WITHIN = 1.0
"""As promised; the machine that runs all of this may be busy, so one of three may be late."""


def _ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def clinic(system: System) -> Iterator["Clinic"]:
    """A clinic of ten patients who were last seen 20 days ago."""
    served = random_clinic(1, patients=1, end=date(2020, 1, 1), time_zone="UTC")
    cliniko = {kind: [] for kind in served.cliniko}
    key = system.serve_clinic({"cliniko": cliniko})
    found = Clinic(system, key)
    for kind, record in (
        ("businesses", {"id": "1", "business_name": "Sample", "time_zone_identifier": "UTC"}),
        ("appointment_types", {"id": "2", "name": "Follow-up", "duration_in_minutes": 30}),
        ("practitioners", {"id": "3", "first_name": "Quinn", "last_name": "Placeholder", "active": True}),
    ):
        found.create(kind, record)
    for number in range(100, 110):
        patient = {"id": str(number), "first_name": "Pat", "last_name": f"Number {number}", "created_at": _ago(days=90)}
        found.create("patients", patient)
        found.book(str(number), starts_at=_ago(days=20), created_at=_ago(days=30))
    system.add_organization(ORGANIZATION, key, {"time_zone": "UTC", "sync_interval": int(SYNC_SECONDS)})
    system.synchronize(ORGANIZATION)
    yield found
    system.reengage("org", "set", ORGANIZATION, f"sync_interval={A_DAY}")


class Clinic:
    """The clinic's side and the gateway's side of one organization."""

    def __init__(self, system: System, key: str) -> None:
        self.system = system
        self._key = key
        self._path = f"clinics/{key}"

    def create(self, kind: str, record: Json) -> Json:
        return self.system.change("POST", f"{self._path}/records/{kind}", record)

    def book(self, patient: str, *, starts_at: str, **more: Any) -> str:
        record = {
            "patient_id": patient,
            "appointment_type_id": "2",
            "practitioner_id": "3",
            "business_id": "1",
            "starts_at": starts_at,
            **more,
        }
        return str(self.create("individual_appointments", record)["id"])

    def change(self, method: str, path: str, body: Json | None = None) -> None:
        self.system.change(method, f"{self._path}/{path}", body)

    def patient(self, patient: str) -> Json:
        answer = self.system.ask(ORGANIZATION, "reengagement/{org}/patients/" + patient)
        return answer.json() if answer.status_code == 200 else {}

    def becomes(self, visible: Callable[[], bool], within: float = VISIBLE_WITHIN) -> float:
        """Seconds until it is visible; fails when that takes too long."""
        begun = time.monotonic()
        while not visible():
            assert time.monotonic() - begun < within, "not visible in time"
            time.sleep(0.02)
        return time.monotonic() - begun


def test_a_booking_and_its_move_and_cancellation(clinic: Clinic) -> None:
    starts = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:00:00Z")
    later = (datetime.now(UTC) + timedelta(days=5)).strftime("%Y-%m-%dT%H:00:00Z")
    booked = clinic.book("100", starts_at=starts)
    clinic.becomes(lambda: clinic.patient("100")["next_scheduled_appointment"] == starts)
    clinic.change("PATCH", f"records/individual_appointments/{booked}", {"starts_at": later})
    clinic.becomes(lambda: clinic.patient("100")["next_scheduled_appointment"] == later)
    assert clinic.patient("100")["recommended_action"] == "confirm_upcoming_appointment"
    clinic.change("POST", f"records/individual_appointments/{booked}/cancel")
    clinic.becomes(lambda: clinic.patient("100")["next_scheduled_appointment"] is None)


def test_a_no_show_marked_on_the_attendee(clinic: Clinic) -> None:
    visit = clinic.book("101", starts_at=_ago(hours=2), created_at=_ago(days=3))
    clinic.becomes(lambda: clinic.patient("101")["days_since_last_contact"] == 0)
    clinic.change("POST", f"records/individual_appointments/{visit}/missed")
    clinic.becomes(lambda: clinic.patient("101")["missed_appointments_last_90d"] == 1)
    assert clinic.patient("101")["days_since_last_contact"] == 20


def test_a_reply_of_the_patient(clinic: Clinic) -> None:
    assert clinic.patient("102")["risk_level"] == "medium"
    clinic.change("POST", "reply", {"patient_id": "102"})
    clinic.becomes(lambda: clinic.patient("102")["risk_level"] == "engaged")


def test_a_new_medical_alert(clinic: Clinic) -> None:
    clinic.create("medical_alerts", {"patient_id": "103", "name": "Latex allergy"})
    clinic.becomes(lambda: clinic.patient("103")["health_conditions"] == ["Latex allergy"])


def test_a_merge(clinic: Clinic) -> None:
    clinic.change("POST", "patients/104/merge", {"into": "105"})
    clinic.becomes(lambda: clinic.patient("104") == {})
    clinic.becomes(lambda: clinic.patient("105")["total_lifetime_appointments"] == 2)


def test_an_appointment_that_names_another_patient_leaves_the_first(clinic: Clinic) -> None:
    visit = clinic.book("106", starts_at=_ago(hours=3), created_at=_ago(days=3))
    clinic.becomes(lambda: clinic.patient("106")["total_lifetime_appointments"] == 2)
    clinic.change("PATCH", f"records/individual_appointments/{visit}", {"patient_id": "107"})
    clinic.becomes(lambda: clinic.patient("107")["total_lifetime_appointments"] == 2)
    clinic.becomes(lambda: clinic.patient("106")["total_lifetime_appointments"] == 1)


def test_an_erased_patient_is_gone_and_stays_only_as_a_number(clinic: Clinic) -> None:
    system = clinic.system
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    before = system.get(ORGANIZATION, "reengagement/{org}/risk-metrics", as_of=yesterday)
    clinic.change("DELETE", "records/patients/108")
    system.synchronize(ORGANIZATION, full=True)
    assert clinic.patient("108") == {}
    after = system.get(ORGANIZATION, "reengagement/{org}/risk-metrics", as_of=yesterday)
    assert after["risk_summary"] == before["risk_summary"]
    listed = system.whole_list(
        ORGANIZATION, "reengagement/{org}/patients/prioritized", "patients", as_of=yesterday, include_dormant="true"
    )
    assert "108" not in {row["id"] for row in listed["patients"]}
    erased = [row for row in listed["patients"] if row["name"] == "Erased patient"]
    assert [(row["phone"], row["email"], row["health_conditions"]) for row in erased] == [(None, None, [])]


def test_an_outreach_event_is_visible_within_a_second(clinic: Clinic) -> None:
    took = []
    for number in range(3):
        event = {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "/crm",
            "type": "outreach.outcome.v1",
            "time": _ago(seconds=5),
            "data": {
                "organization_id": ORGANIZATION,
                "patient_id": "109",
                "channel": "sms",
                "outcome": "sent",
                "message_id": f"m{number}",
                "attempt_id": f"a{number}",
            },
        }
        clinic.system.report(ORGANIZATION, [event])
        expected = number + 1
        took.append(
            clinic.becomes(lambda n=expected: len(clinic.patient("109")["reengagement_history"]) == n, within=10)
        )
    assert sorted(took)[1] < EVENT_VISIBLE_WITHIN, took
