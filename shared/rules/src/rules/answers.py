"""From counters to the bodies that the gateway serves: what definitions.md calls each number.

`state` is the organization's state figures as of an instant; `days` its day figures, a mapping
{(local day, counter): value}, as known at an instant.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from rules.calendar import day_text
from rules.figures import (
    ACTIVE,
    ACTIVITY,
    ACTIVITY_NAMES,
    ANSWERED,
    ATTEMPTS,
    BOOKED_ON,
    BOOKINGS,
    DAYS_TO_REENGAGE,
    EPISODES,
    EPISODES_WON,
    FAILED,
    MESSAGES,
    MISSED,
    NEW_AT_RISK,
    NO_FUTURE,
    OVERDUE,
    RECENT_SUM,
    REENGAGED_ON,
    SUCCESSES,
    TOTAL_SUM,
    USING,
    WITH_RECENT,
    WITH_UPCOMING,
    class_counter,
    class_parts,
    counted_from_counter,
)
from rules.levels import AT_RISK, CRITICAL, LEVELS
from rules.numbers import one_decimal, percentage
from rules.settings import RuleSettings

State = Mapping[str, int]
Days = Mapping[tuple[int, str], int]

ACTIONS = {
    "missed_appt": MISSED,
    "overdue_followup": OVERDUE,
    "failed_contact": FAILED,
    "no_future_appt": NO_FUTURE,
}

PREDICTION_WEIGHT = 20
"""Episodes that the benchmark counts for, so that a young clinic's prediction is not noise."""

PREDICTION_DAYS = 365
AVERAGE_WITHIN_POINTS = 2.0
STABLE_POINTS = 5.0
STABLE_PERCENT = 5

CHANNELS = ("sms", "email", "phone")


def class_counts(state: State) -> dict[int, int]:
    """Patients by class; classes without patients are left out."""
    return {int(name[1:]): count for name, count in state.items() if name[0] == "c" and count}


def matching_classes(levels: Iterable[int], any_flag: int, *, include_dormant: bool) -> list[int]:
    """The classes of a filtered list; `any_flag` 0 filters by no action."""
    wanted = set(levels)
    return [
        number
        for number in range(2 * len(LEVELS) * 16)
        if _matches(*class_parts(number), wanted, any_flag, include_dormant)
    ]


def _matches(dormant: bool, level: int, flags: int, wanted: set[int], any_flag: int, include_dormant: bool) -> bool:
    return level in wanted and (include_dormant or not dormant) and (not any_flag or bool(flags & any_flag))


def count_in(state: State, classes: Iterable[int]) -> int:
    """Patients in any of the classes."""
    return sum(state.get(class_counter(number), 0) for number in classes)


def total_contacts(state: State) -> int:
    """Patients in scope."""
    return sum(class_counts(state).values())


def risk_metrics(organization_id: str, state: State, *, include_dormant: bool) -> dict[str, Any]:
    """The body of `risk-metrics`, time stamps aside."""
    levels = [0] * len(LEVELS)
    alerts = dict.fromkeys(ACTIONS.values(), 0)
    immediate = dormant_count = 0
    for number, count in class_counts(state).items():
        dormant, level, flags = class_parts(number)
        dormant_count += count * dormant
        if dormant and not include_dormant:
            continue
        levels[level] += count
        for flag in alerts:
            alerts[flag] += count * bool(flags & flag)
        if flags & NO_FUTURE and (level == CRITICAL or flags & FAILED):
            immediate += count
    critical, high, medium, low, engaged = levels
    return {
        "organization_id": organization_id,
        "risk_summary": {
            "critical_risk": critical,
            "high_risk": high,
            "medium_risk": medium,
            "low_risk": low,
            "engaged": engaged,
        },
        "alerts": {
            "missed_appointments_14d": alerts[MISSED],
            "failed_communications": alerts[FAILED],
            "overdue_followups": alerts[OVERDUE],
            "no_future_appointments": alerts[NO_FUTURE],
        },
        "immediate_actions_required": immediate,
        "dormant": dormant_count,
    }


def risk_levels(state: State) -> dict[str, int]:
    """Patients by level, dormant ones left out: a day's `risk_levels`."""
    levels = [0] * len(LEVELS)
    for number, count in class_counts(state).items():
        dormant, level, _ = class_parts(number)
        levels[level] += count * (not dormant)
    return dict(zip(LEVELS, levels, strict=True))


def list_summary(
    state: State, days: Days, settings: RuleSettings, *, today: int, include_dormant: bool
) -> dict[str, Any]:
    """The `summary` of the prioritized list; `days` must hold the last 365 days' episodes."""
    by_level = [0] * len(LEVELS)
    immediate = 0
    for number, count in class_counts(state).items():
        dormant, level, flags = class_parts(number)
        if dormant and not include_dormant:
            continue
        by_level[level] += count
        immediate += count * (level == CRITICAL and bool(flags & NO_FUTURE))
    at_risk = sum(by_level[level] for level in AT_RISK)
    counted_from = state.get(counted_from_counter(False), 0)
    if include_dormant:
        counted_from += state.get(counted_from_counter(True), 0)
    return {
        "total_at_risk": at_risk,
        "immediate_action_required": immediate,
        "avg_days_since_contact": one_decimal(at_risk * today - counted_from, at_risk),
        "success_rate_prediction": _prediction(by_level, at_risk, days, settings, today),
    }


def _prediction(by_level: list[int], at_risk: int, days: Days, settings: RuleSettings, today: int) -> float | None:
    if not at_risk:
        return None
    benchmark = _exact(settings.industry_avg_contact_rate) * _exact(settings.industry_avg_conversion) / 10_000
    expected = Fraction()
    for level in AT_RISK:
        opened = _sum(days, EPISODES[level], today - PREDICTION_DAYS + 1, today)
        won = _sum(days, EPISODES_WON[level], today - PREDICTION_DAYS + 1, today)
        expected += by_level[level] * (won + PREDICTION_WEIGHT * benchmark) / (opened + PREDICTION_WEIGHT)
    percent = 100 * expected / at_risk
    return one_decimal(percent.numerator, percent.denominator)


def _exact(setting: float) -> Fraction:
    """The decimal number that a setting shows."""
    return Fraction(str(setting))


def _sum(days: Days, name: str, first: int, last: int) -> int:
    return sum(days.get((day, name), 0) for day in range(first, last + 1))


def performance(days: Days, settings: RuleSettings, *, first: int, last: int, timeframe: str) -> dict[str, Any]:
    """The body of `performance` over the attempts begun on local days first..last."""

    def total(name: str) -> int:
        return _sum(days, name, first, last)

    attempts, successes, bookings = total(ATTEMPTS), total(SUCCESSES), total(BOOKINGS)
    contact_rate = percentage(successes, attempts)
    conversion = percentage(bookings, successes)
    won = sum(total(name) for name in EPISODES_WON)
    sms, email, phone = (
        {o: total(name) for (channel, o), name in MESSAGES.items() if channel == wanted} for wanted in CHANNELS
    )
    return {
        "timeframe": timeframe,
        "reengagement_metrics": {
            "outreach_attempts": attempts,
            "successful_contacts": successes,
            "contact_success_rate": contact_rate,
            "appointments_scheduled": bookings,
            "conversion_rate": conversion,
            "avg_days_to_reengage": one_decimal(total(DAYS_TO_REENGAGE), won),
        },
        "communication_channels": {
            "sms": {
                "sent": sms["sent"],
                "delivered": sms["delivered"],
                "responded": sms["responded"],
                "response_rate": percentage(sms["responded"], sms["delivered"]),
            },
            "email": {
                "sent": email["sent"],
                "opened": email["opened"],
                "responded": email["responded"],
                "response_rate": percentage(email["responded"], email["opened"]),
            },
            "phone": {
                "attempted": phone["attempted"],
                "connected": phone["connected"],
                "appointment_booked": phone["appointment_booked"],
                "conversion_rate": percentage(phone["appointment_booked"], phone["connected"]),
            },
        },
        "benchmark_comparison": {
            "industry_avg_contact_rate": settings.industry_avg_contact_rate,
            "industry_avg_conversion": settings.industry_avg_conversion,
            "our_performance": _against_benchmark(contact_rate, conversion, settings),
        },
    }


def _against_benchmark(contact_rate: float | None, conversion: float | None, settings: RuleSettings) -> str | None:
    if contact_rate is None:
        return None
    rates = [(contact_rate, settings.industry_avg_contact_rate)]
    if conversion is not None:
        rates.append((conversion, settings.industry_avg_conversion))
    differences = [round(ours - theirs, 6) for ours, theirs in rates]
    total = round(sum(differences), 6)
    if total == 0 or all(abs(d) <= AVERAGE_WITHIN_POINTS for d in differences):
        return "average"
    return "above_average" if total > 0 else "below_average"


def daily_trends(
    days: Days, levels: Mapping[int, State] | None, *, first: int, last: int, counts: bool
) -> list[dict[str, Any]]:
    """One row per local day, oldest first; `levels` holds each day's state, None leaves it out."""
    rows = []
    for day in range(first, last + 1):
        row: dict[str, Any] = {"date": day_text(day)}
        if counts:
            row["new_at_risk"] = days.get((day, NEW_AT_RISK), 0)
            row["reengaged_successfully"] = days.get((day, REENGAGED_ON), 0)
            row["outreach_attempts"] = days.get((day, ATTEMPTS), 0)
            row["appointments_scheduled"] = days.get((day, BOOKED_ON), 0)
        if levels is not None:
            row["risk_levels"] = risk_levels(levels[day])
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
        _sum(days, ANSWERED[channel], first, last),
        _sum(days, USING[channel], first, last),
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


def risk_distribution(first: State, last: State) -> dict[str, Any]:
    """The last row's levels against the first's."""
    before, after = risk_levels(first), risk_levels(last)
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


def _at_risk_share_fell(before: dict[str, int], after: dict[str, int]) -> bool:
    risky_before = sum(before[LEVELS[level]] for level in AT_RISK)
    risky_after = sum(after[LEVELS[level]] for level in AT_RISK)
    all_before, all_after = sum(before.values()), sum(after.values())
    return risky_after * max(all_before, 1) < risky_before * max(all_after, 1)


def active_summary(organization_id: str, state: State) -> dict[str, Any]:
    """The body of `active-patients/{organization_id}/summary`, time stamps aside."""
    active = state.get(ACTIVE, 0)
    return {
        "organization_id": organization_id,
        "total_active_patients": active,
        "patients_with_recent_appointments": state.get(WITH_RECENT, 0),
        "patients_with_upcoming_appointments": state.get(WITH_UPCOMING, 0),
        "avg_recent_appointments": one_decimal(state.get(RECENT_SUM, 0), active),
        "avg_total_appointments": one_decimal(state.get(TOTAL_SUM, 0), active),
        "activity_distribution": {
            name: state.get(counter, 0) for name, counter in zip(ACTIVITY_NAMES, ACTIVITY, strict=True)
        },
    }
