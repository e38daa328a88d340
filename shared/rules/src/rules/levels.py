"""The five levels of risk and what each recommends (definitions.md, Patients)."""

from bisect import bisect_right
from typing import NamedTuple

LEVELS = ("critical", "high", "medium", "low", "engaged")
"""Most urgent first; a level is named by its index where it is stored."""

CRITICAL, HIGH, MEDIUM, LOW, ENGAGED = range(5)

FIRST_DAYS = (45, 30, 14, 7, 0)
"""Days since the last contact at which a level begins."""

_BOUNDS = tuple(reversed(FIRST_DAYS[:ENGAGED]))

AT_RISK = (CRITICAL, HIGH, MEDIUM)
AT_RISK_FROM_DAYS = FIRST_DAYS[MEDIUM]


class Recommendation(NamedTuple):
    """What a level recommends, and through which channels that can be done."""

    action: str
    channels: tuple[str, ...]


RECOMMENDATIONS = (
    Recommendation("immediate_phone_call", ("phone",)),
    Recommendation("sms_and_follow_up", ("sms",)),
    Recommendation("automated_check_in", ("sms", "email")),
    Recommendation("routine_monitoring", ()),
    Recommendation("none", ()),
)

CONFIRM_BOOKING = "confirm_upcoming_appointment"
REVIEW_MANUALLY = "review_manually"
LAST_PRIORITY = 5


def level_of(days: int) -> int:
    """The level of a patient this many days after the last contact."""
    return ENGAGED - bisect_right(_BOUNDS, days)
