"""What a new patient tells the front desk, and what is filed of it."""

from collections.abc import Sequence
from random import Random
from typing import Any

from support.demo_clinic.people import Person
from support.demo_clinic.practice import BY_DOCTOR, BY_OTHER, BY_WEB, BY_WORD_OF_MOUTH
from support.sandbox.clinic import Clinic

_COMPLAINTS = (
    "Lower back pain", "Neck pain", "Rotator cuff", "Knee rehab", "Ankle sprain", "Tennis elbow",
    "Hip bursitis", "Plantar fasciitis", "ACL rehab", "Post-op shoulder", "Headache", "Hamstring",
)  # fmt: skip
_ALERTS = (
    "Latex allergy", "Pacemaker", "Type 2 diabetes", "Blood thinners", "Osteoporosis", "Asthma",
    "High blood pressure", "Pregnancy",
)  # fmt: skip
_SOURCES = {BY_DOCTOR: 38, BY_WORD_OF_MOUTH: 27, BY_WEB: 25, BY_OTHER: 10}
SOURCE_NAMES = {
    BY_DOCTOR: "GP referral",
    BY_WORD_OF_MOUTH: "Word of mouth",
    BY_WEB: "Web",
    BY_OTHER: "",
}


def any_source(rng: Random) -> str:
    """Return the id of a way in which patients find the practice."""
    return rng.choices(list(_SOURCES), weights=list(_SOURCES.values()))[0]


def put_on_file(clinic: Clinic, rng: Random, patient_id: str, source: str, people: Sequence[Person]) -> str:
    """File a complaint, perhaps an alert, and who sent the patient; return the case's id."""
    about = {"patient_id": patient_id}
    case_id = clinic.create("patient_cases", about | {"name": rng.choice(_COMPLAINTS)})
    if rng.random() < 0.2:
        clinic.create("medical_alerts", about | {"name": rng.choice(_ALERTS)})
    told: dict[str, Any] = about | {"referral_source_type_id": source}
    if source == BY_WORD_OF_MOUTH and len(people) > 1:
        told |= {"referrer_type": "Patient", "referrer_id": rng.choice(people[:-1]).id}
    elif source == BY_WEB:
        told["subcategory"] = rng.choice(("Search engine", "Social media", "Directory"))
    clinic.create("referral_sources", told)
    return case_id
