"""Random clinics are whole, repeatable, and hold the coincidences they promise."""

import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from support.clinics import awkward_as_ofs, random_clinic
from support.oracle import Clinic, Oracle
from support.oracle.times import Calendar, instant

END = date(2026, 3, 20)
SEEDS = range(12)
WORKED = Path(__file__).resolve().parents[4] / "shared" / "data" / "worked-clinic" / "cliniko.json"
SOMETIMES = {"patients": {"merged_with_patient", "latest_booking"}}


@pytest.fixture(scope="module")
def clinics() -> list[Clinic]:
    return [random_clinic(seed, end=END) for seed in SEEDS]


def test_the_same_seed_gives_the_same_clinic(clinics: list[Clinic]) -> None:
    for seed, clinic in zip(SEEDS, clinics, strict=True):
        again = random_clinic(seed, end=END)
        assert json.dumps([again.settings, again.cliniko, again.outreach]) == json.dumps(
            [clinic.settings, clinic.cliniko, clinic.outreach]
        )


@pytest.mark.skipif(not WORKED.is_file(), reason=f"the worked clinic is not beside the repository: {WORKED}")
def test_records_have_the_keys_of_the_worked_clinic(clinics: list[Clinic]) -> None:
    worked = json.loads(WORKED.read_text(encoding="utf-8"))
    for clinic in clinics:
        assert set(clinic.cliniko) == set(worked)
        for kind, records in clinic.cliniko.items():
            wanted = set(worked[kind][0]) - SOMETIMES.get(kind, set())
            for record in records:
                assert set(record) - SOMETIMES.get(kind, set()) == wanted, kind


def test_no_fact_is_dated_after_the_end(clinics: list[Clinic]) -> None:
    for clinic in clinics:
        latest = Calendar(clinic.settings["time_zone"]).end_of_day(END)
        keys = ("created_at", "updated_at", "archived_at", "deleted_at", "cancelled_at", "merged_at")
        for record in (record for records in clinic.cliniko.values() for record in records):
            for key in keys:
                assert not record.get(key) or instant(record[key]) <= latest
                assert not record.get(key) or instant(record[key]) <= instant(record["updated_at"]), key
        assert all(instant(event["time"]) <= latest for event in clinic.outreach)


def test_ids_are_unique_within_their_kind(clinics: list[Clinic]) -> None:
    for clinic in clinics:
        for kind, records in clinic.cliniko.items():
            assert len({record["id"] for record in records}) == len(records), kind


def test_every_answer_can_be_given_and_all_cases_occur(clinics: list[Clinic]) -> None:
    seen: Counter[str] = Counter()
    for seed, clinic in zip(SEEDS, clinics, strict=True):
        oracle = Oracle(clinic)
        for at in awkward_as_ofs(clinic, seed, 3, end=END):
            oracle.risk_metrics(at)
            oracle.performance(at, days=90)
            oracle.trends(at, "7d")
            oracle.contacts_with_appointments(at)
            for row in oracle.patients(at).values():
                seen.update([row["risk_level"], row["recommended_action"], *row["alerts"]])
                seen.update(f"attempt {attempt['status']}" for attempt in row["attempts"])
                seen.update(f"episode {bool(episode['reengaged_at'])}" for episode in row["episodes"])
                seen.update(["dormant"] if row["dormant"] else [])
        seen.update(f"merged {bool(p['merged_at'])}" for p in clinic.cliniko["patients"])
        seen.update(f"outcome {event['data']['outcome']}" for event in clinic.outreach)
    wanted = [
        "critical",
        "high",
        "medium",
        "low",
        "engaged",
        "immediate_phone_call",
        "sms_and_follow_up",
        "automated_check_in",
        "routine_monitoring",
        "none",
        "confirm_upcoming_appointment",
        "review_manually",
        "missed_appt",
        "failed_contact",
        "overdue_followup",
        "no_future_appt",
        "dormant",
    ]
    wanted += ["attempt successful", "attempt failed", "attempt pending", "episode True", "episode False"]
    wanted += ["merged True", "outcome opted_out", "outcome voicemail", "outcome appointment_booked"]
    assert [name for name in wanted if seen[name] < 5] == []
