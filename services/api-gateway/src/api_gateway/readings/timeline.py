"""One patient's timeline as a list of what happened, newest first."""

from typing import Any

from rules.calendar import day_text
from rules.facts import Appointment
from rules.instants import FOREVER, format_instant
from rules.outreach import Message
from rules.view import View

Entry = dict[str, Any]


def timeline_entries(view: View) -> list[Entry]:
    """What happened by the view's instant and what is booked after it, newest first."""
    entries: list[tuple[int, Entry]] = []
    contact = view.facts.contact
    if contact is not None:
        entries.append((contact.created_at, {"kind": "record_created"}))
    entries += [(a.starts_at, _appointment(a, view.as_of)) for a in view.existing]
    entries += [(c.at, {"kind": "communication_received", "id": c.id}) for c in view.communications]
    entries += [(r.created_at, {"kind": "recall", "id": r.id, "due_on": day_text(r.due_on)}) for r in view.recalls]
    for attempt in view.outreach.attempts:
        entries += [(m.first_at, _message(m)) for m in attempt.messages]
    entries += [(t.at, {"kind": "treatment_outcome", "outcome": t.outcome}) for t in view.treatments]
    entries.sort(key=lambda entry: entry[0], reverse=True)
    return [{"at": format_instant(at), **entry} for at, entry in entries]


def _appointment(appointment: Appointment, as_of: int) -> Entry:
    if appointment.cancelled_at <= as_of:
        status = "cancelled"
    elif appointment.starts_at > as_of:
        status = "booked"
    elif appointment.missed:
        status = "missed"
    else:
        status = "arrived" if appointment.arrived else "unmarked"
    entry: Entry = {
        "kind": "appointment",
        "id": appointment.id,
        "status": status,
        "type": appointment.type,
        "practitioner": appointment.practitioner,
        "created_at": format_instant(appointment.created_at),
    }
    if appointment.cancelled_at < FOREVER and status == "cancelled":
        entry["cancelled_at"] = format_instant(appointment.cancelled_at)
    return entry


def _message(message: Message) -> Entry:
    last = message.reports[-1]
    return {
        "kind": "message",
        "channel": message.channel,
        "message_id": message.id,
        "attempt_id": message.attempt_id,
        "campaign": next((r.campaign for r in message.reports if r.campaign), None),
        "outcomes": [{"outcome": r.outcome, "at": format_instant(r.at), "reason": r.reason} for r in message.reports],
        "last_outcome": last.outcome,
    }
