"""How courses of treatment ended, as events."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from support.demo_clinic.outreach import SOURCE
from support.sandbox.clock import stamp


def treatment_events(outcomes: Iterable[tuple[datetime, str, str]], organization_id: str) -> list[dict[str, Any]]:
    """Return a treatment.outcome.v1 event for every (when, whose, how)."""
    return [
        {
            "specversion": "1.0",
            "id": f"demo-t{number:05}",
            "source": SOURCE,
            "type": "treatment.outcome.v1",
            "time": stamp(at),
            "subject": patient_id,
            "datacontenttype": "application/json",
            "data": {"organization_id": organization_id, "patient_id": patient_id, "outcome": outcome},
        }
        for number, (at, patient_id, outcome) in enumerate(outcomes, start=1)
    ]
