"""The laws of one patient: contribution, assessment, and that there is one of each. Pure."""

from collections.abc import Mapping
from typing import Any

from reengage.laws.findings import (
    ASSESSMENTS,
    COMPLETENESS,
    CONTRIBUTIONS,
    Violation,
    first_difference,
    violation,
    when,
)
from rules.assess import assess
from rules.breakpoints import next_change
from rules.calendar import day_text
from rules.contribution import contribution
from rules.facts import Facts
from rules.figures import apart
from rules.settings import RuleSettings
from rules.view import View
from shared.assessments import OUT_OF_SCOPE, assessment_document
from shared.timelines import Document, Merged, facts_with_merged

CLOCKS_DIFFER = 60_000_000
"""Microseconds by which another process may be ahead of us."""


def is_settled(timeline: Document, merged: Merged) -> bool:
    """Whether nothing changed since the patient was settled, those merged into it included."""
    seen, pending = set(), [timeline]
    while pending:
        one = pending.pop()
        if "dirty" in one:
            return False
        if one["_id"] not in seen:
            seen.add(one["_id"])
            pending += merged.get(one["_id"], ())
    return True


def check(
    timeline: Document,
    merged: Merged,
    settings: RuleSettings,
    contributed: Mapping[str, Any] | None,
    assessed: Mapping[str, Any] | None,
    now: int,
) -> list[Violation]:
    """What does not hold for a settled patient, by the stored contribution and assessment."""
    patient = timeline["patient_id"]
    if "failed" in timeline:
        return [
            violation(COMPLETENESS, patient_id=patient, of="settlement", expected="settled", actual=timeline["failed"])
        ]
    facts = facts_with_merged(timeline, merged)
    wanted = facts.contact is not None
    found = [
        violation(COMPLETENESS, patient_id=patient, of=what, expected=int(wanted), actual=int(stored is not None))
        for what, stored in (("contribution", contributed), ("assessment", assessed))
        if wanted != (stored is not None)
    ]
    if wanted and contributed is not None:
        found += _check_contribution(patient, facts, settings, contributed)
    if wanted and assessed is not None:
        found += _check_assessment(patient, facts, settings, assessed, now)
    return found


def _check_contribution(
    patient: str, facts: Facts, settings: RuleSettings, stored: Mapping[str, Any]
) -> list[Violation]:
    computed = contribution(facts, settings)
    found = []
    wanted = {at: apart(changes) for at, changes in computed.state.items()}
    state = {at: apart(changes) for at, changes in stored["state"]}
    if state != wanted:
        at = first_difference(wanted, state)
        expected, actual = wanted.get(at, {}), state.get(at, {})
        found.append(violation(CONTRIBUTIONS, patient_id=patient, at=when(at), expected=expected, actual=actual))
    days = {(at, day): changes for at, day, changes in stored["days"]}
    if days != computed.days:
        place = first_difference(computed.days, days)
        expected, actual = computed.days.get(place, {}), days.get(place, {})
        found.append(
            violation(
                CONTRIBUTIONS,
                patient_id=patient,
                at=when(place[0]),
                day=day_text(place[1]),
                expected=expected,
                actual=actual,
            )
        )
    return found


def _check_assessment(
    patient: str, facts: Facts, settings: RuleSettings, stored: Mapping[str, Any], now: int
) -> list[Violation]:
    begins = stored["from"]
    if begins > now + CLOCKS_DIFFER:
        return [violation(ASSESSMENTS, patient_id=patient, field="from", expected=when(now), actual=when(begins))]
    assessed = assess(facts, settings, begins)
    interval = next_change(View(facts, settings, begins), 0) if assessed is None else None
    wanted = assessment_document(assessed, interval)
    wrong = sorted(name for name, value in wanted.items() if stored.get(name) != value)
    if not wrong:
        return []
    return [
        violation(
            ASSESSMENTS,
            patient_id=patient,
            fields=wrong,
            at=when(begins),
            expected=_numbers(wanted),
            actual=_numbers(stored),
        )
    ]


def _numbers(assessed: Mapping[str, Any]) -> dict[str, Any]:
    """What may be told of an assessment: no name, no text."""
    if assessed.get("class") == OUT_OF_SCOPE:
        return {"class": OUT_OF_SCOPE}
    return {name: assessed.get(name) for name in ("class", "score", "counted_from", "next_action")}
