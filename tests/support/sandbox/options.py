"""How an account behaves where Cliniko's own behaviour is unknown or varies."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Options:
    """The switches of one clinic, with what a careful client should expect as defaults."""

    recalls: bool = True
    """Whether the account has recalls at all; without, their paths lead nowhere (404)."""
    marks_touch_appointments: bool = False
    """Whether an attendee's mark moves its appointment's `updated_at`."""
    parts_touch_patients: bool = False
    """Whether a new alert, case, message or recall moves its patient's `updated_at`."""
    cancellation_reaches_attendee: bool = True
    """Whether a cancelled individual appointment's attendee shows as cancelled, too."""
    deleted_are_hidden: bool = False
    """Whether a record with `deleted_at` is hidden until a filter on that very field lifts it."""
    requests_per_minute: int = 200
    """The most requests of one key in any 60 seconds."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set the named options. Raises ValueError for an unknown name or a wrong type."""
        kinds = {each.name: type(getattr(self, each.name)) for each in fields(self)}
        for name, value in changes.items():
            if name not in kinds or type(value) is not kinds[name]:
                raise ValueError(f"no such option, or a wrong value for it: {name}")
        for name, value in changes.items():
            setattr(self, name, value)
