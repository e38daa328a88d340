"""One row per local day, and what changed over the period."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from fractions import Fraction

from support.oracle.contact import AT_RISK, contacts
from support.oracle.performance import Tried, all_episodes, tried
from support.oracle.rounding import one_decimal
from support.oracle.view import Known, View

PERIOD_DAYS = {"7d": 7, "30d": 30, "90d": 90, "6m": 182, "1y": 365}
NEW_AT_RISK_DAY = 14
CHANNEL_TREND_BEYOND = 5  # points


def trends(view: View, period: str, levels_at: Callable[[datetime], dict]) -> dict:
    """`levels_at` tells the patients in each level as of an instant."""
    length = PERIOD_DAYS[period]
    calendar = view.calendar
    today = calendar.local_date(view.at)
    days = [today - timedelta(days=back) for back in reversed(range(length))]
    known_tries = tried(view)
    rows = []
    became_at_risk = [day for k in view.in_scope for day in days_become_at_risk(k)]
    reengaged_on = {
        (k.patient.id, calendar.local_date(e.reengaged_at)) for k, e in all_episodes(view) if e.reengaged_at
    }
    for day in days:
        # "`risk_levels` ... as of the end of that day (T for the last)"
        then = view.at if day == today else calendar.end_of_day(day)
        booked_on = [calendar.local_date(t.booking.at) for t in known_tries if t.booking]
        rows.append(
            {
                "date": day.isoformat(),
                "new_at_risk": became_at_risk.count(day),
                "reengaged_successfully": sum(on == day for _, on in reengaged_on),
                "outreach_attempts": sum(t.began_on == day for t in known_tries),
                "appointments_scheduled": booked_on.count(day),
                "risk_levels": levels_at(then),
            }
        )
    return {
        "period": period,
        "daily_trends": rows,
        "channel_performance_trends": {
            channel: channel_trend(known_tries, channel, days[0], length) for channel in ("sms", "email", "phone")
        },
        "risk_distribution_changes": distribution_changes(rows[0], rows[-1]),
    }


def days_become_at_risk(k: Known) -> list[date]:
    """ "patients in scope at T whose 14th day without contact (counted from the record's
    creation where there was none before) fell on that day, on or after the record's creation,
    and passed without one".

    READING: T's own day counts as passed as far as it is known at T. Each contact that was
    followed by 14 days without one counts; the record's creation only where no contact lay on
    or before its day.
    """
    created_on = k.calendar.local_date(k.patient.created_at)
    contact_days = {k.calendar.local_date(c) for c in k.once(contacts)}
    starts = set(contact_days)
    if not any(day <= created_on for day in contact_days):
        starts.add(created_on)
    found = []
    for start in starts:
        fourteenth = start + timedelta(days=NEW_AT_RISK_DAY)
        spoiled = any(start < day <= fourteenth for day in contact_days)
        if created_on <= fourteenth <= k.today and not spoiled:
            found.append(fourteenth)
    return found


def channel_trend(known_tries: list[Tried], channel: str, first: date, length: int) -> dict:
    """ "share of the attempts using the channel that were answered on it, in the period against
    the period of equal length before; `change_pct` in points, one decimal"."""

    def share(start: date) -> Fraction | None:
        using = [
            t.attempt
            for t in known_tries
            if start <= t.began_on < start + timedelta(days=length)
            and any(m.channel == channel for m in t.attempt.messages)
        ]
        on_it = [a for a in using if any(e.channel == channel for e in a.answers)]
        return Fraction(100 * len(on_it), len(using)) if using else None

    now, before = share(first), share(first - timedelta(days=length))
    if now is None or before is None:
        return {"success_rate_trend": None, "change_pct": None}
    change = one_decimal(now - before)
    label = "stable"
    if change > CHANNEL_TREND_BEYOND:
        label = "improving"
    elif change < -CHANNEL_TREND_BEYOND:
        label = "declining"
    return {"success_rate_trend": label, "change_pct": change}


def distribution_changes(first: dict, last: dict) -> dict:
    """ "last row against first; `increasing` / `decreasing` when beyond 5 % and at least 1
    patient, else `stable`; overall_improvement: the at-risk share fell"."""

    def trend(name: str) -> str:
        before, now = first["risk_levels"][name], last["risk_levels"][name]
        if abs(now - before) < 1 or 100 * abs(now - before) <= 5 * before:
            return "stable"
        return "increasing" if now > before else "decreasing"

    def share(of: dict) -> Fraction:
        # READING: the share of nobody is 0.
        total = sum(of["risk_levels"].values())
        return Fraction(sum(of["risk_levels"][name] for name in AT_RISK), total or 1)

    return {
        "critical_trend": trend("critical"),
        "high_trend": trend("high"),
        "overall_improvement": share(last) < share(first),
    }
