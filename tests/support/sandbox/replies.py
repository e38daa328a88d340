"""What a patient's message to the clinic looks like on file."""

from support.sandbox.clinic import Clinic

_CODES = {"SMS": 1, "Email": 2, "Phone call": 3, "Other": 4}


def reply(
    clinic: Clinic,
    patient_id: str,
    *,
    kind: str = "SMS",
    content: str = "Yes please",
    at: str | None = None,
) -> str:
    """File a communication received from a patient and return its id.

    Raises Refused (404) for an unknown patient, ValueError for an unknown kind of message.
    """
    if kind not in _CODES:
        raise ValueError(f"type must be one of {', '.join(_CODES)}")
    patient = clinic.find("patients", patient_id)
    numbers = patient.get("patient_phone_numbers") or [{}]
    sender = patient.get("email") if kind == "Email" else numbers[0].get("normalized_number")
    from_desk = kind in ("Phone call", "Other")
    return clinic.create(
        "communications",
        {
            "type": kind,
            "type_code": _CODES[kind],
            "direction_code": 2,
            "direction_description": "Received",
            "category": "Memo" if from_desk else "Reply from Patient",
            "category_code": 12 if from_desk else 8,
            "content": content,
            "from": sender or patient.get("label"),
            "to": "Front desk" if from_desk else "61355500100",
            "patient_id": patient_id,
        },
        at=at,
    )
