"""The law of the messages: a timeline holds what the tracker knows of each. Pure."""

from collections.abc import Mapping
from typing import Any

from reengage.laws.findings import MESSAGES, Violation, violation

ALL_OF_THEM_UP_TO = 100
"""Reports of one message; of more, the tracker may leave repeats out of what it tells."""

Reports = dict[tuple[str, str], set[tuple[Any, ...]]]


def check(timeline: Mapping[str, Any] | None, history: Mapping[str, Any] | None) -> list[Violation]:
    """What differs between a patient's messages in the timeline and at the tracker."""
    told, held = _of_tracker(history), _of_timeline(timeline)
    patient = (timeline or history or {}).get("patient_id")
    wrong = [
        message
        for message in told.keys() | held.keys()
        if not _agree(told.get(message, set()), held.get(message, set()))
    ]
    if not wrong:
        return []
    counts = [sum(len(reports[message]) for message in wrong if message in reports) for reports in (told, held)]
    return [violation(MESSAGES, patient_id=patient, messages=len(wrong), expected=counts[0], actual=counts[1])]


def _agree(told: set[tuple[Any, ...]], held: set[tuple[Any, ...]]) -> bool:
    return told == held or (len(told) > ALL_OF_THEM_UP_TO and bool(held) and held < told)


def _of_tracker(history: Mapping[str, Any] | None) -> Reports:
    found: Reports = {}
    for event in (history or {}).get("events", {}).values():
        if "channel" in event:
            report = (event["source"], event["event_id"], event["at"], event["outcome"], event.get("attempt_id"))
            found.setdefault((event["channel"], event["message_id"]), set()).add(report)
    return found


def _of_timeline(timeline: Mapping[str, Any] | None) -> Reports:
    found: Reports = {}
    for message in (timeline or {}).get("messages", {}).values():
        if message.get("events"):
            found[message["channel"], message["message_id"]] = {
                (e["source"], e["event_id"], e["at"], e["outcome"], e.get("attempt_id")) for e in message["events"]
            }
    return found
