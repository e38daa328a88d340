"""One patient's assessment at an instant, and until when it stands."""

from dataclasses import dataclass
from typing import Any

from rules.actions import (
    best_contact_time,
    communication_preferences,
    next_action_day,
    planned_action_day,
    recommended_action,
)
from rules.breakpoints import next_change
from rules.calendar import day_text
from rules.facts import Facts
from rules.figures import flags_of, patient_class
from rules.instants import format_instant
from rules.levels import LEVELS
from rules.numbers import percentage
from rules.outreach import FAILURES, NO_RESPONSE, TWO_WAY, Attempt
from rules.score import Part, risk_parts
from rules.settings import RuleSettings
from rules.view import View

MISSED_SHOWN_DAYS = 90
HISTORY_IN_LISTS = 10


@dataclass(frozen=True, slots=True)
class Assessment:
    """A patient in scope as of an instant; days are ordinals, instants microseconds.

    It stands for every instant in [valid_from, valid_until); what depends on "today" is kept as
    the day it counts from.
    """

    patient_id: str
    valid_from: int
    valid_until: int
    patient_class: int
    """Dormancy, level and flags as one number (`rules.figures`)."""
    risk_score: int
    parts: tuple[Part, ...]
    counted_from_day: int
    next_action_day: int
    last_attended_day: int
    """0 when none was attended."""
    active: bool
    """An appointment in the last 45 days or the next 30."""
    with_appointments: bool
    """Any appointment that is not cancelled."""
    row: dict[str, Any]
    """The fields of the list's row that do not depend on today."""
    history: tuple[dict[str, Any], ...]
    """One entry per attempt, newest first, all of them."""


def assess(facts: Facts, settings: RuleSettings, as_of: int) -> Assessment | None:
    """The assessment as of an instant, None when the patient is not in scope then."""
    return assess_view(View(facts, settings, as_of))


def assess_view(view: View, instants: frozenset[int] | None = None) -> Assessment | None:
    """`assess` for a view that exists already; `instants` are the patient's `state_instants`."""
    contact = view.facts.contact
    if not view.in_scope or contact is None:
        return None
    parts = risk_parts(view)
    valid_from, valid_until = next_change(view, planned_action_day(view), instants)
    return Assessment(
        patient_id=view.facts.patient_id,
        valid_from=valid_from,
        valid_until=valid_until,
        patient_class=patient_class(view.dormant, view.level, flags_of(view)),
        risk_score=sum(part.points for part in parts),
        parts=parts,
        counted_from_day=view.counted_from_day,
        next_action_day=next_action_day(view),
        last_attended_day=view.attended_days[-1] if view.attended else 0,
        active=view.activity.active,
        with_appointments=bool(view.started or view.future),
        row=_row(view),
        history=tuple(_history_entry(a, view) for a in reversed(view.outreach.attempts)),
    )


def _row(view: View) -> dict[str, Any]:
    contact = view.facts.contact
    assert contact is not None
    action, priority = recommended_action(view)
    attempts = view.outreach.attempts
    last, booking = view.last_attended, view.next_booking
    treatment = max(view.treatments, key=lambda t: (t.at, t.source, t.event_id), default=None)
    return {
        "name": contact.shown_name,
        "phone": contact.phone,
        "email": contact.email,
        "risk_level": LEVELS[view.level],
        "last_appointment_date": day_text(view.calendar.day(last.starts_at)) if last else None,
        "next_scheduled_appointment": format_instant(booking.starts_at) if booking else None,
        "recommended_action": action,
        "action_priority": priority,
        "communication_preferences": list(communication_preferences(view)),
        "best_contact_time": best_contact_time(view),
        "previous_response_rate": percentage(sum(a.two_way for a in attempts), len(attempts)),
        "total_lifetime_appointments": view.started,
        "missed_appointments_last_90d": view.missed_in_last(MISSED_SHOWN_DAYS),
        "health_conditions": list(contact.health_conditions),
        "referral_source": contact.referral_source,
        "last_treatment_outcome": treatment.outcome if treatment else None,
    }


def _history_entry(attempt: Attempt, view: View) -> dict[str, Any]:
    answers = [r for m in attempt.messages for r in m.reports if r.outcome in TWO_WAY]
    first = min(answers, key=lambda r: (r.at, r.channel), default=None)
    return {
        "date": day_text(view.calendar.day(attempt.begun_at)),
        "method": attempt.latest.channel if first is None else first.channel,
        "success": attempt.successful,
        "reason": _reason(attempt, view.as_of),
    }


def _reason(attempt: Attempt, as_of: int) -> str | None:
    if attempt.successful:
        return None
    given = [(r.at, r.source, r.event_id, r.reason) for m in attempt.messages for r in m.reports if r.reason]
    if given:
        return max(given)[3]
    if not attempt.failed(as_of):
        return None
    if all(m.has_failure for m in attempt.messages):
        return [r.outcome for r in attempt.latest.reports if r.outcome in FAILURES][-1]
    return NO_RESPONSE


def list_row(assessment: Assessment, today: int, *, explain: bool = False) -> dict[str, Any]:
    """The row of the prioritized list on a local day within the assessment's interval."""
    row: dict[str, Any] = {
        "id": assessment.patient_id,
        **assessment.row,
        "risk_score": assessment.risk_score,
        "days_since_last_contact": today - assessment.counted_from_day,
        "reengagement_history": list(assessment.history[:HISTORY_IN_LISTS]),
        "next_action_date": day_text(max(assessment.next_action_day, today)),
    }
    if explain:
        row["risk_parts"] = [part._asdict() for part in assessment.parts]
    return row
