"""Builds outreach events by the rules of docs/events.md, and refuses what would not be accepted."""

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

Channel = Literal["sms", "email", "phone"]
Event = dict[str, Any]

OUTCOMES: dict[str, tuple[str, ...]] = {
    "sms": ("sent", "delivered", "responded", "failed", "opted_out"),
    "email": ("sent", "delivered", "opened", "clicked", "responded", "bounced", "opted_out"),
    "phone": ("attempted", "connected", "appointment_booked", "no_answer", "failed", "voicemail"),
}
"""Outcomes that can be reported, by channel."""

TOPIC = "outreach-events"
LARGEST_EVENT_BYTES = 256 * 1024

_LONGEST = {
    "organization_id": 200,
    "patient_id": 200,
    "message_id": 500,
    "attempt_id": 500,
    "event_id": 500,
    "source": 500,
    "campaign": 2_000,
    "reason": 2_000,
    "staff": 2_000,
}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class InvalidEvent(ValueError):  # noqa: N818 - reads better where it is caught
    """The event would be refused; `reasons` say why, and never quote it."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("; ".join(self.reasons))


def outreach_event(
    organization_id: str,
    patient_id: str,
    channel: Channel,
    outcome: str,
    message_id: str,
    *,
    source: str,
    now: datetime,
    event_id: str | None = None,
    time: datetime | str | None = None,
    attempt_id: str | None = None,
    campaign: str | None = None,
    reason: str | None = None,
    staff: str | None = None,
) -> Event:
    """An `outreach.outcome.v1` event; raises InvalidEvent.

    Without `event_id` it is made of what is reported (and of `time`, when given), so that a
    report that is tried again is the same event. Without `time` it happened now.
    """
    texts = {
        "organization_id": organization_id,
        "patient_id": patient_id,
        "message_id": message_id,
        "attempt_id": attempt_id,
        "campaign": campaign,
        "reason": reason,
        "staff": staff,
    }
    wrong = _wrong_texts({**texts, "event_id": event_id, "source": source})
    if channel not in OUTCOMES:
        wrong.append(f"channel: must be one of {', '.join(OUTCOMES)}")
    elif outcome not in OUTCOMES[channel]:
        wrong.append(f"outcome: for this channel one of {', '.join(OUTCOMES[channel])}")
    data = {**texts, "channel": channel, "outcome": outcome}
    identity = ("outreach", organization_id, patient_id, channel, outcome, message_id)
    return _event("outreach.outcome.v1", data, source, event_id, time, now, identity, wrong)


def treatment_event(
    organization_id: str,
    patient_id: str,
    outcome: str,
    *,
    source: str,
    now: datetime,
    event_id: str | None = None,
    time: datetime | str | None = None,
) -> Event:
    """A `treatment.outcome.v1` event; raises InvalidEvent.

    Without `time` it happened now. Without `event_id` it is made of what is reported and of its time, also when that is
    now: the same outcome in another month is another report, and the latest is the one that is shown.
    """
    data = {"organization_id": organization_id, "patient_id": patient_id}
    wrong = _wrong_texts({**data, "event_id": event_id, "source": source})
    if not 1 <= len(outcome) <= 200:
        wrong.append("outcome: must be text of 1 to 200 characters")
    identity = ("treatment", organization_id, patient_id, outcome)
    at = now if time is None else time
    return _event("treatment.outcome.v1", {**data, "outcome": outcome}, source, event_id, at, now, identity, wrong)


def key_of(event: Event) -> bytes:
    """The key that the event's Kafka record must have."""
    data = event["data"]
    return f"{data['organization_id']}:{data['patient_id']}".encode()


def encoded(event: Event) -> bytes:
    """The event as JSON in UTF-8."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _event(
    kind: str,
    data: dict[str, Any],
    source: str,
    event_id: str | None,
    time: datetime | str | None,
    now: datetime,
    identity: tuple[str, ...],
    wrong: list[str],
) -> Event:
    moment = ""
    try:
        moment = _time_stamp(now if time is None else time)
    except ValueError:
        wrong.append("time: must be an aware datetime, or an RFC 3339 time stamp with an offset")
    if wrong:
        raise InvalidEvent(wrong)
    if event_id is None:
        parts = identity if time is None else (*identity, moment)
        event_id = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "time": moment,
        "subject": data["patient_id"],
        "datacontenttype": "application/json",
        "data": {name: value for name, value in data.items() if value is not None},
    }
    try:
        size = len(encoded(event))
    except UnicodeEncodeError:
        raise InvalidEvent(["must be text that UTF-8 can hold"]) from None
    if size > LARGEST_EVENT_BYTES:
        raise InvalidEvent([f"must have at most {LARGEST_EVENT_BYTES} bytes"])
    return event


def _wrong_texts(texts: dict[str, str | None]) -> list[str]:
    optional = {"event_id", "attempt_id", "campaign", "reason", "staff"}
    wrong = []
    for name, value in texts.items():
        if value is None and name in optional:
            continue
        shortest = 0 if name in optional - {"event_id"} else 1
        if not isinstance(value, str) or not shortest <= len(value) <= _LONGEST[name]:
            wrong.append(f"{name}: must be text of {shortest} to {_LONGEST[name]} characters")
    return wrong


def _time_stamp(moment: datetime | str) -> str:
    if isinstance(moment, str):
        if not _RFC3339.fullmatch(moment):
            raise ValueError("no RFC 3339 time stamp")
        moment = datetime.fromisoformat(moment.upper())
    if moment.tzinfo is None:
        raise ValueError("no aware datetime")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
