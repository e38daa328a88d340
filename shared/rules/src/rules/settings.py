"""The settings of an organization that the rules read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from rules.calendar import Calendar, calendar

DEFAULT_FOLLOWUP_DAYS = 28


class RuleSettings(NamedTuple):
    """See interface.md; `followup_days` maps names of appointment types, `*` all others."""

    calendar: Calendar
    active_window_days: int = 365
    require_arrival_mark: bool = False
    industry_avg_contact_rate: float = 55.0
    industry_avg_conversion: float = 68.0
    followup_days: Mapping[str, int] = MappingProxyType({"*": DEFAULT_FOLLOWUP_DAYS})
    retry_after_days: int = 7

    def followup_after(self, appointment_type: str | None) -> int:
        """Days from an attended appointment of a type to its follow-up."""
        days = self.followup_days
        return days.get(appointment_type or "*", days.get("*", DEFAULT_FOLLOWUP_DAYS))


def rule_settings(settings: dict[str, object]) -> RuleSettings:
    """The rules' part of an organization's settings, by their names; absent ones by default."""
    named = {name: settings[name] for name in RuleSettings._fields[1:] if name in settings}
    return RuleSettings(calendar(str(settings["time_zone"])), **named)  # type: ignore[arg-type]
