"""What the clinics that can be loaded look like; those of the shared data need its folder."""

import csv
import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.sandbox import Clinic, Sandbox, load_clinic, running_sandbox
from support.sandbox.__main__ import arguments, built, main, wanted
from support.sandbox.catalog import RESOURCES
from support.sandbox.rendering import RENDERERS
from unit.sandbox.small_clinic import Hand

SHARED = Path(__file__).parents[4] / "shared"
VITORIA_COLUMNS = ("PatientId", "AppointmentID", "ScheduledDay", "AppointmentDay", "No-show")
SAMPLES = {
    "Patient": "patients",
    "IndividualAppointment": "individual_appointments",
    "GroupAppointment": "group_appointments",
    "Attendee": "attendees",
    "AppointmentType": "appointment_types",
    "Practitioner": "practitioners",
    "Business": "businesses",
    "SmsCommunication": "communications",
    "ReferralSource": "referral_sources",
    "ReferralSourceType": "referral_source_types",
    "PatientCase": "patient_cases",
    "MedicalAlert": "medical_alerts",
    "Recall (assumed shape)": "recalls",
    "RecallType (assumed shape)": "recall_types",
}


def shared(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {path}, which is not part of the project")
    return path


def loaded(name: str, path: Path, **more: Any) -> Clinic:
    return load_clinic(name, clock=Hand(), path=path, **more)


def vitoria_file(folder: Path, *rows: tuple[str, ...]) -> Path:
    file = folder / "vitoria-appointments-2016.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(VITORIA_COLUMNS)
        writer.writerows(rows)
    return file


ROWS = (
    ("9377952927E-5", "501", "2016-05-10T10:51:53Z", "2016-05-09T00:00:00Z", "No"),
    ("9377952927E-5", "502", "2016-05-03T08:00:00Z", "2016-06-08T00:00:00Z", "Yes"),
)


def test_a_vitoria_row_becomes_a_patient_an_appointment_and_its_attendee(tmp_path: Path) -> None:
    clinic = loaded("vitoria", vitoria_file(tmp_path, *ROWS))
    (patient,) = clinic.records["patients"].values()
    assert (patient["id"], patient["created_at"]) == ("9377952927E-5", "2016-05-03T08:00:00Z")
    late = clinic.body("individual_appointments", "501")
    assert (late["created_at"], late["starts_at"]) == ("2016-05-10T10:51:53Z", "2016-05-09T12:00:00Z")
    assert (late["updated_at"], late["ends_at"]) == ("2016-05-10T10:51:53Z", "2016-05-09T12:30:00Z")
    missed = clinic.body("individual_appointments", "502")
    assert (missed["did_not_arrive"], missed["updated_at"]) == (True, "2016-06-08T12:00:00Z")
    (attendee,) = clinic.attendee_ids("502")
    shown = clinic.body("attendees", attendee)
    assert (shown["arrived"], shown["booking"]["links"]["self"][-12:]) == (False, "bookings/502")


def test_vitoria_moves_by_whole_days_so_that_it_ends_today(tmp_path: Path) -> None:
    clinic = loaded("vitoria", vitoria_file(tmp_path, *ROWS), shift_to_today=True)
    # At NOW it is still the 11th in Vitória.
    assert clinic.body("individual_appointments", "502")["starts_at"] == "2026-03-11T12:00:00Z"
    assert clinic.body("individual_appointments", "501")["created_at"] == "2026-02-10T10:51:53Z"


def test_a_medscheduler_row_becomes_an_appointment_by_its_status(tmp_path: Path) -> None:
    columns = ("appointment_id", "scheduling_date", "appointment_date", "appointment_time", "status", "patient_id")
    statuses = ("attended", "did not attend", "cancelled", "unknown", "scheduled")
    file = tmp_path / "medscheduler_2022_2024_appointments.csv.gz"
    with gzip.open(file, "wt", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns)
        writer.writerows(
            (f"{number:06}", "2024-03-30", "2024-04-01", "12:00:00", status, "00001")
            for number, status in enumerate(statuses)
        )
    people = "patient_id,name,sex,dob\n00001,Invented Person,Female,1950-10-05\n"
    (tmp_path / "medscheduler_2022_2024_patients.csv").write_text(people, encoding="utf-8")
    clinic = loaded("medscheduler", tmp_path)
    bodies = [clinic.body("individual_appointments", f"{number:06}") for number in range(5)]
    pairs = [(each["patient_arrived"], each["did_not_arrive"]) for each in bodies]
    assert pairs == [(True, False), (False, True), *[(False, False)] * 3]
    # Booked at midnight in winter, held at noon in summer time: half way is 17:30.
    assert (bodies[2]["created_at"], bodies[2]["starts_at"]) == ("2024-03-30T00:00:00Z", "2024-04-01T11:00:00Z")
    assert [each["cancelled_at"] for each in bodies] == [None, None, "2024-03-31T05:30:00Z", None, None]
    assert bodies[0]["ends_at"] == "2024-04-01T11:15:00Z"
    assert clinic.records["patients"]["00001"]["created_at"] == "2024-03-30T00:00:00Z"


def test_the_worked_clinic_is_shown_as_it_was_written() -> None:
    file = shared("data", "worked-clinic", "cliniko.json")
    clinic = loaded("worked", file.parent)
    for kind, bodies in json.loads(file.read_text(encoding="utf-8")).items():
        shown = [RENDERERS[kind].body(each) for each in clinic.records[kind].values()]
        text = json.dumps(shown).replace("https://sandbox.invalid/v1", "https://api.au1.cliniko.com/v1")
        assert json.loads(text) == bodies


def test_the_demo_clinic_is_loaded_by_name_for_a_day_and_a_seed() -> None:
    clinic = load_clinic("demo", clock=Hand(), today=date(2025, 7, 1), seed=4)
    assert len(clinic.records["patients"]) > 700
    assert max(each["created_at"] for each in clinic.records["patients"].values()) < "2025-07-01"
    made = clinic.create("patients", {"first_name": "Next"})
    assert clinic.body("patients", made)["created_at"] == "2026-03-12T02:00:00Z"


@pytest.mark.slow
def test_vitoria_has_all_its_records() -> None:
    clinic = loaded("vitoria", shared("data", "vitoria-appointments-2016.csv.gz"))
    counts = {kind: len(clinic.records[kind]) for kind in ("patients", "individual_appointments", "attendees")}
    assert counts == {"patients": 62_299, "individual_appointments": 110_527, "attendees": 110_527}
    missed = sum(each.get("did_not_arrive", False) for each in clinic.records["individual_appointments"].values())
    assert missed == 22_319


@pytest.mark.slow
def test_medscheduler_has_every_status() -> None:
    clinic = loaded("medscheduler", shared("data", "medscheduler_2022_2024_patients.csv").parent)
    appointments = clinic.records["individual_appointments"].values()
    assert len(clinic.records["patients"]) == 14_950
    assert sum("cancelled_at" in each for each in appointments) == 5_366
    assert sum(each.get("did_not_arrive", False) for each in appointments) == 1_870
    assert sum(each.get("patient_arrived", False) for each in appointments) == 25_153


@pytest.mark.parametrize(("sample", "kind"), SAMPLES.items())
def test_a_record_shows_what_the_documented_sample_shows(sample: str, kind: str) -> None:
    """Plain fields in the same order; relations and links by the same names."""
    samples = json.loads(shared("reference", "cliniko-samples.json").read_text(encoding="utf-8"))
    documented = samples[sample]
    resource = RESOURCES[kind]
    plain = [name for name in documented if name in resource.shown]
    assert plain == list(resource.shown)
    body = RENDERERS[kind].body({"id": "1", **dict.fromkeys(resource.related_ids.values(), "2")})
    assert documented.keys() <= body.keys()
    linked = {name for name, value in documented.items() if isinstance(value, dict) and "links" in value}
    assert linked <= {*resource.links, *resource.relations, "links", "repeats"}


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_kind_has_the_documented_filters(kind: str) -> None:
    facts = json.loads(shared("reference", "cliniko-facts.json").read_text(encoding="utf-8"))
    filters = {each["path"]: each.get("filters") for each in facts["operations"] if each["method"] == "GET"}
    if f"/{kind}" not in filters:
        pytest.skip(f"{kind} are not in the document")
    assert dict(RESOURCES[kind].filters) == filters[f"/{kind}"]


def test_the_command_line_names_clinics_and_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = vitoria_file(tmp_path, *ROWS)
    line = ["--clinic", "vitoria", "--data", str(file), "--key", "a-au1", "--key", "b", "--no-recalls"]
    options = arguments().parse_args([*line, "--serve", f"c=vitoria:{tmp_path}", "--requests-per-minute", "9"])
    sandbox = built(options)
    assert sandbox.clinics.keys() == {"a", "b", "c"}
    assert sandbox.clinics["a"] is sandbox.clinics["b"] is not sandbox.clinics["c"]
    assert sandbox.clinics["c"].options.requests_per_minute == 9
    assert sandbox.clinics["a"].options.recalls is False
    assert wanted(arguments().parse_args([])) == [(["sandbox-key-au1"], "demo", None)]
    assert main(["--clinic", "worked"]) == 2
    assert main(["--serve", "worked"]) == 2
    assert "needs --data" in capsys.readouterr().err


def test_it_is_served_over_http(clinic: Clinic) -> None:
    sandbox = Sandbox()
    sandbox.serve("key", clinic)
    with running_sandbox(sandbox) as base_url, httpx.Client(auth=("key", "")) as client:
        patient = client.get(f"{base_url}/patients/101").json()
        assert patient["links"]["self"] == f"{base_url}/patients/101"
        client.put(f"{base_url.removesuffix('/v1')}/admin/clinics/key/faults", json={"rules": [{"cut": True}]})
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{base_url}/patients/101")
        assert client.get(f"{base_url}/patients/101").json() == patient
