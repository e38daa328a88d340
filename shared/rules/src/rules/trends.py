"""How an organization moves from day to day: the parts of `trends`."""

from collections.abc import Mapping
from typing import Any

from rules.calendar import day_text
from rules.day_sums import Days, day_sum
from rules.figures import ANSWERED, ATTEMPTS, BOOKED_ON, NEW_AT_RISK, REENGAGED_ON, USING
from rules.levels import AT_RISK, LEVELS
from rules.numbers import one_decimal
from rules.outreach import CHANNELS

RiskLevels = Mapping[str, int]
"""{level: patients}, dormant ones left out."""

STABLE_POINTS = 5.0
STABLE_PERCENT = 5


def daily_trends(
    days: Days, levels: Mapping[int, RiskLevels] | None, *, first: int, last: int, counts: bool
) -> list[dict[str, Any]]:
    """One row per local day, oldest first; `levels` holds each day's `risk_levels`, None leaves them out."""
    rows = []
    for day in range(first, last + 1):
        row: dict[str, Any] = {"date": day_text(day)}
        if counts:
            row["new_at_risk"] = days.get((day, NEW_AT_RISK), 0)
            row["reengaged_successfully"] = days.get((day, REENGAGED_ON), 0)
            row["outreach_attempts"] = days.get((day, ATTEMPTS), 0)
            row["appointments_scheduled"] = days.get((day, BOOKED_ON), 0)
        if levels is not None:
            row["risk_levels"] = levels[day]
        rows.append(row)
    return rows


def channel_trends(days: Days, *, first: int, last: int) -> dict[str, Any]:
    """Each channel's share of answered attempts in the period against the one before."""
    length = last - first + 1
    trends = {}
    for channel in CHANNELS:
        now = _answered_share(days, channel, first, last)
        before = _answered_share(days, channel, first - length, first - 1)
        trends[channel] = _channel_trend(now, before)
    return trends


def _answered_share(days: Days, channel: str, first: int, last: int) -> tuple[int, int]:
    return (
        day_sum(days, ANSWERED[channel], first, last),
        day_sum(days, USING[channel], first, last),
    )


def _channel_trend(now: tuple[int, int], before: tuple[int, int]) -> dict[str, Any]:
    if not now[1] or not before[1]:
        return {"success_rate_trend": None, "change_pct": None}
    change = one_decimal(100 * (now[0] * before[1] - before[0] * now[1]), now[1] * before[1])
    assert change is not None
    label = "stable"
    if change > STABLE_POINTS:
        label = "improving"
    elif change < -STABLE_POINTS:
        label = "declining"
    return {"success_rate_trend": label, "change_pct": change}


def risk_distribution(before: RiskLevels, after: RiskLevels) -> dict[str, Any]:
    """The last row's levels against the first's."""
    return {
        "critical_trend": _direction(before["critical"], after["critical"]),
        "high_trend": _direction(before["high"], after["high"]),
        "overall_improvement": _at_risk_share_fell(before, after),
    }


def _direction(before: int, after: int) -> str:
    change = after - before
    if abs(change) < 1 or abs(change) * 100 <= before * STABLE_PERCENT:
        return "stable"
    return "increasing" if change > 0 else "decreasing"


def _at_risk_share_fell(before: RiskLevels, after: RiskLevels) -> bool:
    risky_before = sum(before[LEVELS[level]] for level in AT_RISK)
    risky_after = sum(after[LEVELS[level]] for level in AT_RISK)
    all_before, all_after = sum(before.values()), sum(after.values())
    return risky_after * max(all_before, 1) < risky_before * max(all_after, 1)
