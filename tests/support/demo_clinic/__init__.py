"""A generated physiotherapy practice, for demos."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Australia/Melbourne")


def demo_clinic(
    seed: int = 1, *, today: date, patients: int = 700, organization_id: str = "org_demo"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Placeholder until generated."""
    return {}, []
