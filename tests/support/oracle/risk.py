"""The risk summary with its alerts, and the prioritized list with its summary."""

from collections.abc import Iterable
from fractions import Fraction

from support.oracle.action import (
    action_priority,
    communication_preferences,
    next_action_on,
    recommended_action,
)
from support.oracle.attempts import attempts, messages, method, reason, status
from support.oracle.contact import (
    AT_RISK,
    LEVELS,
    attended,
    days_since_last_contact,
    dormant,
    future_bookings,
    last_appointment_on,
    level,
    missed,
    started,
)
from support.oracle.facts import Condition
from support.oracle.follow_up import ALERTS, booked_keys, is_no_future_appt, needs_immediate_action
from support.oracle.performance import all_episodes
from support.oracle.rounding import exact, mean, one_decimal, percent
from support.oracle.times import rfc3339
from support.oracle.view import Known, View, in_scope

HISTORY_LENGTH = 10
PREDICTION_WEIGHT = 20
PREDICTION_DAYS = 365


def counted(view: View, include_dormant: bool) -> list[Known]:
    """ "not in `risk_summary`, alerts, `immediate_actions_required`, the list or its summary
    unless `include_dormant=true`"."""
    return [k for k in view.in_scope if include_dormant or not dormant(k)]


def risk_levels(patients: Iterable[Known]) -> dict[str, int]:
    levels = [level(k) for k in patients]
    return {name: levels.count(name) for name, _ in LEVELS}


def risk_levels_of_day(view: View) -> dict[str, int]:
    """ "`risk_levels` of a day = `risk-metrics?as_of=` that day". Keeps no patient: a year has
    365 views of everybody."""
    patients = (k for k in view.walk() if in_scope(k.patient, view.at))
    return risk_levels(k for k in patients if not dormant(k))


def risk_metrics(view: View, include_dormant: bool) -> dict:
    patients = counted(view, include_dormant)
    names = {"critical": "critical_risk", "high": "high_risk", "medium": "medium_risk"}
    names |= {"low": "low_risk", "engaged": "engaged"}
    alerts = {name: sum(map(holds, patients)) for name, holds in ALERTS.items()}
    return {
        "organization_id": view.settings["id"],
        "risk_summary": {names[key]: count for key, count in risk_levels(patients).items()},
        "alerts": {
            "missed_appointments_14d": alerts["missed_appt"],
            "failed_communications": alerts["failed_contact"],
            "overdue_followups": alerts["overdue_followup"],
            "no_future_appointments": alerts["no_future_appt"],
        },
        "immediate_actions_required": sum(map(needs_immediate_action, patients)),
        "dormant": sum(map(dormant, view.in_scope)),
        "as_of": rfc3339(view.at),
    }


def previous_response_rate(k: Known) -> float | None:
    """ "attempts with a two-way outcome / all attempts, percent, one decimal; null without
    attempts"."""
    of = k.once(attempts)
    return percent(sum(bool(a.answers) for a in of), len(of))


def part_of_day(hour: int) -> str:
    """ "`morning` (before 12:00 local), `afternoon` (12:00-16:59), `evening`"."""
    return "morning" if hour < 12 else "afternoon" if hour < 17 else "evening"


def best_contact_time(k: Known) -> str | None:
    """ "where most of the patient's answered messages were first answered, else most attended
    appointments began, ties to the later part; else null"."""
    moments = [m.answers[0].time for m in k.once(messages) if m.answers]
    moments = moments or [a.starts_at for a in attended(k)]
    parts = [part_of_day(k.calendar.local_hour(moment)) for moment in moments]
    later_first = ("evening", "afternoon", "morning")
    return max(later_first, key=parts.count) if parts else None


def reengagement_history(k: Known) -> list[dict]:
    """ "one entry per attempt, newest first, at most 10 in lists"."""
    booked = booked_keys(k)
    entries = []
    for attempt in reversed(k.once(attempts)):
        has_booking = attempt.key in booked
        entries.append(
            {
                "date": k.calendar.local_date(attempt.began_at).isoformat(),
                "method": method(attempt),
                "success": status(k, attempt, has_booking) == "successful",
                "reason": reason(k, attempt, has_booking),
            }
        )
    return entries


def health_conditions(k: Known) -> list[str]:
    """ "(medical alerts, then case names, each kind in order of creation; those not archived,
    each once)". READING: parts of the patient's newest version, as undated fields
    are: those not archived now, whatever T; one second: by id, as text."""

    def ordered(of: list[Condition]) -> list[str]:
        return [c.name for c in sorted(of, key=lambda c: (c.created_at, c.id))]

    return list(dict.fromkeys([*ordered(k.alerts), *ordered(k.cases)]))


def last_treatment_outcome(k: Known) -> str | None:
    last = max(k.treatments, key=lambda t: (t.time, t.identity), default=None)
    return last.outcome if last else None


def row(k: Known) -> dict:
    """One row of the list, `risk_score` left out."""
    coming = k.once(future_bookings)
    last_on = last_appointment_on(k)
    return {
        "id": k.patient.id,
        "name": k.patient.name,
        "phone": k.patient.phone,
        "email": k.patient.email,
        "risk_level": level(k),
        "days_since_last_contact": days_since_last_contact(k),
        "last_appointment_date": last_on.isoformat() if last_on else None,
        "next_scheduled_appointment": rfc3339(coming[0].starts_at) if coming else None,
        "recommended_action": recommended_action(k),
        "action_priority": action_priority(k),
        "communication_preferences": communication_preferences(k),
        "best_contact_time": best_contact_time(k),
        "previous_response_rate": previous_response_rate(k),
        # "started, exist, not cancelled (missed ones included)"
        "total_lifetime_appointments": len(started(k)),
        "missed_appointments_last_90d": sum(k.calendar.in_last_days(a.starts_at, 90, k.at) for a in missed(k)),
        "reengagement_history": reengagement_history(k)[:HISTORY_LENGTH],
        "health_conditions": health_conditions(k),
        "referral_source": k.patient.referral_source,
        "last_treatment_outcome": last_treatment_outcome(k),
        "next_action_date": next_action_on(k).isoformat(),
    }


def prioritized(
    view: View,
    risk_levels_wanted: list[str] | None,
    actions_required: list[str] | None,
    sort_by: str,
    include_dormant: bool,
) -> dict:
    everybody = counted(view, include_dormant)
    chosen = everybody
    if risk_levels_wanted and "all" not in risk_levels_wanted:
        chosen = [k for k in chosen if level(k) in risk_levels_wanted]
    if actions_required:
        chosen = [k for k in chosen if any(ALERTS[name](k) for name in actions_required)]
    rows = [dict(k.once(row)) for k in chosen]
    # "`days_since_contact` desc or `next_action_date` asc; ties by patient id"
    orders = {
        "days_since_contact": lambda r: (-r["days_since_last_contact"], r["id"]),
        "next_action_date": lambda r: (r["next_action_date"], r["id"]),
        "id": lambda r: r["id"],
    }
    return {
        "patients": sorted(rows, key=orders[sort_by]),
        "total_count": len(rows),
        "summary": summary(view, everybody),
    }


def summary(view: View, everybody: list[Known]) -> dict:
    """ "of the organization, whatever the filters"."""
    at_risk = [k for k in everybody if level(k) in AT_RISK]
    return {
        "total_at_risk": len(at_risk),
        "immediate_action_required": sum(level(k) == "critical" and is_no_future_appt(k) for k in at_risk),
        "avg_days_since_contact": mean([days_since_last_contact(k) for k in at_risk]),
        "success_rate_prediction": success_rate_prediction(view, at_risk),
    }


def success_rate_prediction(view: View, at_risk: list[Known]) -> float | None:
    """ "mean over those at risk of p(level), p(level) = (k + 20 q) / (n + 20), percent, where
    n = episodes opened in the last 365 days at that level, k = those re-engaged, q = the
    benchmarks' product (0.55 x 0.68)". READING: null if none is at risk."""
    if not at_risk:
        return None
    benchmarks = ("industry_avg_contact_rate", "industry_avg_conversion")
    contact, conversion = (exact(view.settings[name]) / 100 for name in benchmarks)
    recent = [e for _, e in all_episodes(view) if view.calendar.in_last_days(e.opened_at, PREDICTION_DAYS, view.at)]

    def p(of: str) -> Fraction:
        here = [e for e in recent if e.level == of]
        back = sum(e.reengaged_at is not None for e in here)
        return (back + PREDICTION_WEIGHT * contact * conversion) / (len(here) + PREDICTION_WEIGHT)

    by_level = risk_levels(at_risk)
    total = sum(by_level[name] * p(name) for name in AT_RISK)
    return one_decimal(100 * total / len(at_risk))
