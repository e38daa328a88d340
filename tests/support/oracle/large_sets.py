"""Loads the two large sets straight from their files into facts, without Cliniko records."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from support.oracle.answers import Clinic, Oracle
from support.oracle.facts import Appointment, Facts, Patient
from support.oracle.times import instant

DEFAULT_SETTINGS = {
    "active_window_days": 365,
    "require_arrival_mark": False,
    "industry_avg_contact_rate": 55.0,
    "industry_avg_conversion": 68.0,
    "followup_days": {"*": 28},
    "retry_after_days": 7,
}


def settings_of(organization_id: str, time_zone: str) -> dict:
    return {"id": organization_id, "time_zone": time_zone, **DEFAULT_SETTINGS}


def read_rows(path: str | Path) -> Iterator[dict[str, str]]:
    path = Path(path)
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as lines:
        yield from csv.DictReader(lines)


VITORIA = "vitoria-appointments-2016.csv.gz"
MEDSCHEDULER = ("medscheduler_2022_2024_appointments.csv.gz", "medscheduler_2022_2024_patients.csv")


@cache
def large_oracle(organization_id: str, folder: Path) -> Oracle:
    """That of `org_vitoria` or `org_medscheduler`: one for all tests of a run, since it remembers what it worked out."""
    if organization_id == "org_vitoria":
        return Oracle(vitoria_clinic(folder / VITORIA))
    appointments, patients = MEDSCHEDULER
    return Oracle(medscheduler_clinic(folder / appointments, folder / patients))


def vitoria_clinic(path: str | Path, organization_id: str = "org_vitoria", shift_days: int = 0) -> Clinic:
    """Ids stay text (`9377952927E-5` too). `shift_days` moves all by so many days (the local
    clock of each start stays 09:00)."""
    zone = ZoneInfo("America/Sao_Paulo")
    shift = timedelta(days=shift_days)
    facts = Facts()
    for line in read_rows(path):
        who = line["PatientId"]
        created_at = instant(line["ScheduledDay"]) + shift
        day = datetime.fromisoformat(line["AppointmentDay"]).replace(tzinfo=None) + shift
        starts_at = day.replace(hour=9, tzinfo=zone).astimezone(UTC)
        facts.appointments[who].append(
            Appointment(
                id=line["AppointmentID"],
                attendee_id="",
                patient_id=who,
                created_at=created_at,
                starts_at=starts_at,
                did_not_arrive=line["No-show"] == "Yes",
            )
        )
    add_patients(facts, names={})
    return Clinic(settings_of(organization_id, "America/Sao_Paulo"), facts=facts)


def medscheduler_clinic(
    appointments_path: str | Path,
    patients_path: str | Path,
    organization_id: str = "org_medscheduler",
) -> Clinic:
    """ "unknown" and "scheduled" are unmarked; a cancelled one was cancelled half way from its
    booking to its start."""
    zone = ZoneInfo("Europe/London")
    facts = Facts()
    for line in read_rows(appointments_path):
        who = line["patient_id"]
        booked_on = datetime.fromisoformat(line["scheduling_date"])
        start = datetime.fromisoformat(f"{line['appointment_date']}T{line['appointment_time']}")
        created_at = booked_on.replace(tzinfo=zone).astimezone(UTC)
        starts_at = start.replace(tzinfo=zone).astimezone(UTC)
        half_way = created_at + (starts_at - created_at) / 2
        facts.appointments[who].append(
            Appointment(
                id=line["appointment_id"],
                attendee_id="",
                patient_id=who,
                created_at=created_at,
                starts_at=starts_at,
                cancelled_at=half_way if line["status"] == "cancelled" else None,
                arrived=line["status"] == "attended",
                did_not_arrive=line["status"] == "did not attend",
            )
        )
    names = {line["patient_id"]: line["name"] for line in read_rows(patients_path)}
    add_patients(facts, names)
    return Clinic(settings_of(organization_id, "Europe/London"), facts=facts)


def add_patients(facts: Facts, names: dict[str, str]) -> None:
    """A patient per id that has appointments, "created_at the earliest of its rows'"."""
    numbers = count(1)
    for who, appointments in facts.appointments.items():
        created_at = min(a.created_at for a in appointments)
        facts.patients[who] = Patient(
            id=who,
            created_at=created_at,
            updated_at=created_at,
            name=names.get(who) or f"Patient {next(numbers)}",
        )
