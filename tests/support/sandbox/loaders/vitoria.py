"""The 110,527 real appointments of Vitória, 2016, as a clinic: its defects are kept."""

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from support.sandbox.clinic import Clinic
from support.sandbox.clock import stamp
from support.sandbox.loaders.invented import BOOKING, load_practice, person
from support.sandbox.schema import Fields

ZONE = ZoneInfo("America/Sao_Paulo")
OPENS = time(9)
LASTS = timedelta(minutes=30)
# An attendee's id is its appointment's above this.
_ATTENDEES = 1_900_000_000_000_000_000


def load_vitoria(clinic: Clinic, file: Path, *, last_day: date | None = None) -> None:
    """Load the appointments, their attendees and patients.

    With `last_day` all dates move by the whole days that bring the last appointment to it.
    """
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        columns = next(reader)
        at = [
            columns.index(name) for name in ("PatientId", "AppointmentID", "ScheduledDay", "AppointmentDay", "No-show")
        ]
        rows = [tuple(row[place] for place in at) for row in reader]
    moved = timedelta(0)
    if last_day is not None:
        moved = last_day - date.fromisoformat(max(day for *_, day, _ in rows)[:10])
    shifted, slot = _shift_by(moved), _slot_after(moved)
    patients: dict[str, Fields] = {}
    appointments: list[Fields] = []
    attendees: list[Fields] = []
    for patient_id, appointment_id, booked, day, no_show in rows:
        created_at = shifted(booked[:10]) + booked[10:]
        starts_at, ends_at = slot(day[:10])
        updated_at = max(created_at, starts_at)
        missed = no_show == "Yes"
        patient = patients.get(patient_id)
        if patient is None:
            patient = {"id": patient_id, "created_at": created_at, **person(patient_id)}
            patients[patient_id] = patient
        elif created_at < patient["created_at"]:
            patient["created_at"] = created_at
        appointments.append(
            {
                "id": appointment_id,
                "created_at": created_at,
                "updated_at": updated_at,
                "starts_at": starts_at,
                "ends_at": ends_at,
                "patient_id": patient_id,
                "patient_name": patient["label"],
                **BOOKING,
                "did_not_arrive" if missed else "patient_arrived": True,
            }
        )
        attendees.append(
            {
                "id": str(_ATTENDEES + int(appointment_id)),
                "created_at": created_at,
                "updated_at": updated_at,
                "booking_id": appointment_id,
                "patient_id": patient_id,
                "arrived": not missed,
            }
        )
    for patient in patients.values():
        patient["updated_at"] = patient["created_at"]
    clinic.load("patients", patients.values())
    clinic.load("individual_appointments", appointments)
    clinic.load("attendees", attendees)
    load_practice(
        clinic,
        name="Vitória sample",
        zone=ZONE.key,
        label="Brasilia",
        since=min(patient["created_at"] for patient in patients.values()),
    )


def _shift_by(moved: timedelta) -> Callable[[str], str]:
    @cache
    def shifted(day: str) -> str:
        return (date.fromisoformat(day) + moved).isoformat()

    return shifted


def _slot_after(moved: timedelta) -> Callable[[str], tuple[str, str]]:
    @cache
    def slot(day: str) -> tuple[str, str]:
        """Return when a day's appointments start and end, in UTC."""
        starts = datetime.combine(date.fromisoformat(day) + moved, OPENS, ZONE).astimezone(UTC)
        return stamp(starts), stamp(starts + LASTS)

    return slot
