"""From counters to the bodies that the gateway serves: what definitions.md calls each number.

`state` is the organization's state figures as of an instant; `days` its day figures, a mapping
{(local day, counter): value}, as known at an instant.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from rules.activity import (
    ACTIVITY,
    ACTIVITY_NAMES,
    RECENT_SUM,
    TOTAL_SUM,
    WITH_UPCOMING,
    active_patients,
    with_recent_appointments,
)
from rules.day_sums import Days, day_sum
from rules.figures import (
    CLASSES,
    EPISODES,
    EPISODES_WON,
    FAILED,
    MISSED,
    NO_FUTURE,
    OVERDUE,
    class_counter,
    class_parts,
    counted_from_counter,
)
from rules.levels import AT_RISK, CRITICAL, LEVELS
from rules.numbers import one_decimal
from rules.settings import RuleSettings

State = Mapping[str, int]

ACTIONS = {
    "missed_appt": MISSED,
    "overdue_followup": OVERDUE,
    "failed_contact": FAILED,
    "no_future_appt": NO_FUTURE,
}

PREDICTION_WEIGHT = 20
"""Episodes that the benchmark counts for, so that a young clinic's prediction is not noise."""

PREDICTION_DAYS = 365


_LEVEL_COUNTED = {
    class_counter(number): level
    for number, (dormant, level, _) in ((number, class_parts(number)) for number in CLASSES)
    if not dormant
}
"""The level that a counter counts for, by its name."""


def class_counts(state: State) -> dict[int, int]:
    """Patients by class; classes without patients are left out."""
    return {int(name[1:]): count for name, count in state.items() if name[0] == "c" and count}


def matching_classes(levels: Iterable[int], any_flag: int, *, include_dormant: bool) -> list[int]:
    """The classes of a filtered list; `any_flag` 0 filters by no action."""
    wanted = set(levels)
    return [number for number in CLASSES if _matches(*class_parts(number), wanted, any_flag, include_dormant)]


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
    _count_levels(levels, state)
    return dict(zip(LEVELS, levels, strict=True))


def risk_levels_by_day(changes: Iterable[tuple[int, State]], first: int, last: int) -> dict[int, dict[str, int]]:
    """The `risk_levels` of local days first..last, from all changes of state figures up to the last one.

    `changes` come in any order, as (local day, {counter: change}), those of before `first` as of that day.
    """
    moved = {day: [0] * len(LEVELS) for day in range(first, last + 1)}
    for day, change in changes:
        _count_levels(moved[day], change)
    found = {}
    levels = [0] * len(LEVELS)
    for day, by_level in moved.items():
        levels = [before + change for before, change in zip(levels, by_level, strict=True)]
        found[day] = dict(zip(LEVELS, levels, strict=True))
    return found


def _count_levels(levels: list[int], state: State) -> None:
    for counter, count in state.items():
        level = _LEVEL_COUNTED.get(counter)
        if level is not None:
            levels[level] += count


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
        opened = day_sum(days, EPISODES[level], today - PREDICTION_DAYS + 1, today)
        won = day_sum(days, EPISODES_WON[level], today - PREDICTION_DAYS + 1, today)
        expected += by_level[level] * (won + PREDICTION_WEIGHT * benchmark) / (opened + PREDICTION_WEIGHT)
    percent = 100 * expected / at_risk
    return one_decimal(percent.numerator, percent.denominator)


def _exact(setting: float) -> Fraction:
    """The decimal number that a setting shows."""
    return Fraction(str(setting))


def active_summary(organization_id: str, state: State) -> dict[str, Any]:
    """The body of `active-patients/{organization_id}/summary`, time stamps aside."""
    active = active_patients(state)
    return {
        "organization_id": organization_id,
        "total_active_patients": active,
        "patients_with_recent_appointments": with_recent_appointments(state),
        "patients_with_upcoming_appointments": state.get(WITH_UPCOMING, 0),
        "avg_recent_appointments": one_decimal(state.get(RECENT_SUM, 0), active),
        "avg_total_appointments": one_decimal(state.get(TOTAL_SUM, 0), active),
        "activity_distribution": {
            name: state.get(counter, 0) for name, counter in zip(ACTIVITY_NAMES, ACTIVITY, strict=True)
        },
    }
