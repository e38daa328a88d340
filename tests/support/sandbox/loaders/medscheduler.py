"""The 32,663 appointments of the synthetic medscheduler set as a clinic: every status occurs."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from support.sandbox.clinic import Clinic
from support.sandbox.clock import stamp
from support.sandbox.loaders.invented import BOOKING, load_practice
from support.sandbox.schema import Fields

ZONE = ZoneInfo("Europe/London")
LASTS = timedelta(minutes=15)
PATIENTS_FILE = "medscheduler_2022_2024_patients.csv"
_ATTENDEES = 1_910_000_000_000_000_000
_MARKS = {"attended": True, "did not attend": False}


def load_medscheduler(clinic: Clinic, file: Path) -> None:
    """Load appointments, attendees and patients; the patients' file lies beside that given."""
    with file.with_name(PATIENTS_FILE).open(encoding="utf-8", newline="") as lines:
        people = {row["patient_id"]: row for row in csv.DictReader(lines)}
    patients: dict[str, Fields] = {}
    appointments: list[Fields] = []
    attendees: list[Fields] = []
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            patient = _patient(people[row["patient_id"]])
            appointment, attendee = _booking(row, patient)
            known = patients.setdefault(patient["id"], patient)
            created_at = appointment["created_at"]
            known["created_at"] = min(known.get("created_at", created_at), created_at)
            appointments.append(appointment)
            attendees.append(attendee)
    for patient in patients.values():
        patient["updated_at"] = patient["created_at"]
    clinic.load("patients", patients.values())
    clinic.load("individual_appointments", appointments)
    clinic.load("attendees", attendees)
    since = min(patient["created_at"] for patient in patients.values())
    load_practice(clinic, name="Medscheduler sample", zone=ZONE.key, label="London", since=since)


def _patient(row: dict[str, str]) -> Fields:
    first, _, last = row["name"].partition(" ")
    return {
        "id": row["patient_id"],
        "first_name": first,
        "last_name": last,
        "label": row["name"],
        "date_of_birth": row["dob"],
        "sex": row["sex"],
        "country": "United Kingdom",
        "country_code": "GB",
    }


def _booking(row: dict[str, str], patient: Fields) -> tuple[Fields, Fields]:
    """Return a row's appointment and attendee."""
    booked = _local(row["scheduling_date"], "00:00:00")
    starts = _local(row["appointment_date"], row["appointment_time"])
    fate = dict(_fate(row["status"], booked, starts))
    both = {"created_at": stamp(booked), "patient_id": row["patient_id"], **fate}
    arrived = _MARKS.get(row["status"])
    pair = {} if arrived is None else {"patient_arrived": arrived, "did_not_arrive": not arrived}
    appointment = {
        "id": row["appointment_id"],
        **both,
        **pair,
        "starts_at": stamp(starts),
        "ends_at": stamp(starts + LASTS),
        "patient_name": patient["label"],
        **BOOKING,
    }
    attendee = {
        "id": str(_ATTENDEES + int(row["appointment_id"])),
        **both,
        "booking_id": row["appointment_id"],
        **({} if arrived is None else {"arrived": arrived}),
    }
    return appointment, attendee


def _fate(status: str, booked: datetime, starts: datetime) -> Iterator[tuple[str, object]]:
    """Yield what a status means for the record: cancelled half way to the start, if it was."""
    if status == "cancelled":
        cancelled_at = stamp(booked + (starts - booked) / 2)
        yield "updated_at", cancelled_at
        yield "cancelled_at", cancelled_at
        yield "cancellation_reason", 50
        yield "cancellation_reason_description", "Other"
    else:
        yield "updated_at", stamp(max(booked, starts) if status in _MARKS else booked)


def _local(day: str, clock_time: str) -> datetime:
    local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock_time), ZONE)
    return local.astimezone(UTC)
