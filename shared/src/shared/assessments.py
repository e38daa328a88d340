"""How an assessment lies in MongoDB: `risk_engine.assessments`, one per generation and patient.

_id         "ORG|GENERATION|PATIENT";  scope  "ORG|GENERATION"
class       dormancy, level and flags as one number (rules.figures); -1 when not in scope
score, counted_from, next_action, last_attended     the sort keys; days are ordinals
active, booked      whether the patient is in the two lists of Cliniko data
from, until     the instants (µs) between which it stands, half open
parts, row, history     what the list shows
"""

from collections.abc import Mapping
from typing import Any

from rules.assess import Assessment
from rules.score import Part

OUT_OF_SCOPE = -1

INDEXES: tuple[tuple[str, list[tuple[str, int]]], ...] = (
    ("by_score", [("scope", 1), ("class", 1), ("score", -1), ("patient_id", 1)]),
    ("by_days", [("scope", 1), ("class", 1), ("counted_from", 1), ("patient_id", 1)]),
    ("by_action", [("scope", 1), ("class", 1), ("next_action", 1), ("patient_id", 1)]),
    ("active", [("scope", 1), ("active", 1), ("last_attended", -1), ("patient_id", 1)]),
    ("booked", [("scope", 1), ("booked", 1), ("last_attended", -1), ("patient_id", 1)]),
    ("until", [("scope", 1), ("until", 1)]),
    ("from", [("scope", 1), ("from", 1)]),
    ("expired_by_home", [("home", 1), ("until", 1)]),
)


def assessment_document(assessed: Assessment | None, interval: tuple[int, int] | None) -> dict[str, Any]:
    """The stored form; for a patient not in scope only the interval in which that is so."""
    if assessed is None:
        assert interval is not None
        return {"class": OUT_OF_SCOPE, "from": interval[0], "until": interval[1]}
    return {
        "class": assessed.patient_class,
        "score": assessed.risk_score,
        "counted_from": assessed.counted_from_day,
        "next_action": assessed.next_action_day,
        "last_attended": assessed.last_attended_day,
        "active": assessed.active,
        "booked": assessed.with_appointments,
        "from": assessed.valid_from,
        "until": assessed.valid_until,
        "parts": [list(part) for part in assessed.parts],
        "row": assessed.row,
        "history": list(assessed.history),
    }


def stored_assessment(document: Mapping[str, Any]) -> Assessment:
    """The assessment that a stored document (of a patient in scope) holds."""
    return Assessment(
        patient_id=document["patient_id"],
        valid_from=document["from"],
        valid_until=document["until"],
        patient_class=document["class"],
        risk_score=document["score"],
        parts=tuple(Part(*part) for part in document["parts"]),
        counted_from_day=document["counted_from"],
        next_action_day=document["next_action"],
        last_attended_day=document["last_attended"],
        active=document["active"],
        with_appointments=document["booked"],
        row=document["row"],
        history=tuple(document["history"]),
    )
