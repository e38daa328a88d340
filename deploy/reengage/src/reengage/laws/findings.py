"""What is told of a law that does not hold; ids and counts, nothing of what a patient says."""

from collections.abc import Mapping
from typing import Any

from rules.instants import format_instant

CONTRIBUTIONS, SUMS, ASSESSMENTS = "contributions", "sums", "assessments"
COMPLETENESS, DAYS, MESSAGES = "completeness", "days", "messages"

LAWS = {
    CONTRIBUTIONS: "what a patient adds is what the facts say",
    SUMS: "every bucket is the sum of what the patients add",
    ASSESSMENTS: "a row is what the facts say within its interval",
    COMPLETENESS: "every patient has results, and no result is nobody's",
    DAYS: "a day's figures are the same by every way of reading",
    MESSAGES: "timelines hold the messages that the tracker told",
}

Violation = dict[str, Any]


def violation(law: str, *, expected: Any, actual: Any, **where: Any) -> Violation:
    """One place where a law does not hold."""
    return {"law": law, **where, "expected": expected, "actual": actual}


def first_difference(expected: Mapping[Any, Any], actual: Mapping[Any, Any]) -> Any:
    """The smallest key whose values differ; the mappings are not equal."""
    return min(key for key in expected.keys() | actual.keys() if expected.get(key) != actual.get(key))


def when(instant: int) -> str:
    """An instant for people; the number where no calendar has it."""
    try:
        return format_instant(instant)
    except OverflowError:
        return str(instant)
