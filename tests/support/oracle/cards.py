"""The figures of the dashboard's four cards."""

from datetime import timedelta
from fractions import Fraction

from support.oracle.action import next_action_on
from support.oracle.contact import AT_RISK, future_bookings, level
from support.oracle.performance import all_episodes
from support.oracle.risk import counted, risk_levels_of_day, summary
from support.oracle.rounding import one_decimal, percent
from support.oracle.view import View


def cards(view: View, thirty_days_ago: View) -> dict:
    """`thirty_days_ago` is the view at the end of that local day."""
    patients = counted(view, include_dormant=False)
    return {
        "immediate_action_required": summary(view, patients)["immediate_action_required"],
        # "at-risk patients without a future booking whose `next_action_date` is in the coming 7
        # days (today included)"
        "this_weeks_target": sum(
            level(k) in AT_RISK and not k.once(future_bookings) and next_action_on(k) <= k.today + timedelta(days=6)
            for k in patients
        ),
        "reengagement_success_rate": success_rate(view),
        "trend_percent": trend_percent(risk_levels_of_day(view), risk_levels_of_day(thirty_days_ago)),
    }


def success_rate(view: View) -> float | None:
    """ "episodes opened in the last 30 days that are re-engaged / all of them that are
    re-engaged or older than 14 days"."""
    recent = [e for _, e in all_episodes(view) if view.calendar.in_last_days(e.opened_at, 30, view.at)]
    back = [e for e in recent if e.reengaged_at]
    decided = [e for e in recent if e.reengaged_at or view.calendar.days_between(e.opened_at, view.at) > 14]
    return percent(len(back), len(decided))


def trend_percent(now: dict[str, int], then: dict[str, int]) -> float | None:
    """ "at-risk patients now against the end of the day 30 days ago, percent with its sign".
    READING: null when there were none."""
    after, before = (sum(levels[name] for name in AT_RISK) for levels in (now, then))
    return one_decimal(Fraction(100 * (after - before), before)) if before else None
