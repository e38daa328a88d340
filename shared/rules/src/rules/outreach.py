"""What a patient's outreach amounted to, as known at an instant: messages, attempts, bookings.

definitions.md, Outreach. Every function takes the reports and appointments that are visible at
that instant; nothing here cuts time but the 72 hours after which silence is a failure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rules.calendar import Calendar, day_text
from rules.facts import Appointment, Report
from rules.instants import HOUR, SECOND

SILENCE_IS_FAILURE_AFTER = 72 * HOUR

ATTRIBUTION_DAYS = 30
"""A booking is credited to an attempt that began at most so many local days before it."""

OWN_BOOKING_DAYS_BEFORE = 1
OWN_BOOKING_DAYS_AFTER = 7
"""The appointment created in these local days around a phone booking is that booking."""

ORDERED_OUTCOMES: dict[str, tuple[str, ...]] = {
    "sms": ("sent", "delivered", "responded"),
    "email": ("sent", "delivered", "opened", "clicked", "responded"),
    "phone": ("attempted", "connected", "appointment_booked"),
}
"""A later outcome implies the earlier ones; every report implies the first."""

FAILURES = frozenset({"failed", "bounced", "no_answer", "opted_out"})
UNREACHED = frozenset({"failed", "bounced"})
TWO_WAY = frozenset({"responded", "connected", "appointment_booked"})
OPTED_OUT = "opted_out"
PHONE_BOOKING = "appointment_booked"
NO_RESPONSE = "no_response"

_RANK = {
    (channel, outcome): rank for channel, outcomes in ORDERED_OUTCOMES.items() for rank, outcome in enumerate(outcomes)
}


class Message:
    """All reports about one message, in order of time."""

    __slots__ = ("attempt_id", "channel", "first_at", "id", "rank", "reports", "two_way")

    def __init__(self, channel: str, message_id: str, reports: Sequence[Report]) -> None:
        self.channel = channel
        self.id = message_id
        self.reports = reports
        self.first_at = reports[0].at
        self.attempt_id = next((r.attempt_id for r in reports if r.attempt_id is not None), None)
        self.rank = max(_RANK.get((channel, r.outcome), 0) for r in reports)
        self.two_way = any(r.outcome in TWO_WAY for r in reports)

    def outcomes(self) -> tuple[str, ...]:
        """The ordered outcomes reached, each once."""
        return ORDERED_OUTCOMES[self.channel][: self.rank + 1]

    @property
    def first_answer(self) -> int:
        """When the patient first answered; only of an answered message."""
        return min(r.at for r in self.reports if r.outcome in TWO_WAY)

    @property
    def has_failure(self) -> bool:
        """Some report says that the message failed."""
        return any(r.outcome in FAILURES for r in self.reports)

    @property
    def reached_nobody(self) -> bool:
        """Failed or bounced, and nothing beyond the first outcome (a call not answered rang)."""
        first = ORDERED_OUTCOMES[self.channel][0]
        told = {r.outcome for r in self.reports}
        return bool(told & UNREACHED) and told <= UNREACHED | {first}


AttemptKey = tuple[bool, str]
"""Whether the attempt is named, and its name; without a name, that of its local day."""


class Attempt:
    """All messages of one try to reach the patient, and the booking it brought about."""

    __slots__ = ("begun_at", "booked_at", "latest", "messages", "order", "phone_booked")

    def __init__(self, key: AttemptKey, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.begun_at = messages[0].first_at
        self.order = (self.begun_at, key)
        """Attempts are in this order; of two begun in one instant the greater key is the later."""
        self.latest = messages[-1]
        bookings = [r.at for m in messages for r in m.reports if r.outcome == PHONE_BOOKING]
        self.phone_booked = bool(bookings)
        self.booked_at: int | None = min(bookings) if bookings else None

    @property
    def two_way(self) -> bool:
        """The patient answered on some channel."""
        return any(m.two_way for m in self.messages)

    @property
    def successful(self) -> bool:
        """Answered, or a booking is attributed to it."""
        return self.booked_at is not None or self.two_way

    @property
    def reached_somebody(self) -> bool:
        """Not every message failed or bounced before it arrived."""
        return not all(m.reached_nobody for m in self.messages)

    def failed(self, as_of: int) -> bool:
        """Not successful, and all messages failed or the latest met 72 hours of silence."""
        if self.successful:
            return False
        silent = as_of - self.latest.first_at >= SILENCE_IS_FAILURE_AFTER
        return silent or all(m.has_failure for m in self.messages)


class Outreach(NamedTuple):
    """Attempts in order of their begin, with their bookings."""

    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt | None:
        """The attempt with the latest message."""
        return max(self.attempts, key=lambda a: (a.latest.first_at, a.order), default=None)


NO_OUTREACH = Outreach(())


def outreach_of(reports: Sequence[Report], appointments: Sequence[Appointment], calendar: Calendar) -> Outreach:
    """The attempts that the visible reports make up, with the bookings credited to them."""
    if not reports:
        return NO_OUTREACH
    attempts = _attempts(_messages(reports), calendar)
    _attribute(attempts, appointments, calendar)
    return Outreach(tuple(attempts))


def _messages(reports: Sequence[Report]) -> list[Message]:
    by_message: dict[tuple[str, str], list[Report]] = {}
    for report in reports:
        by_message.setdefault((report.channel, report.message_id), []).append(report)
    messages = [Message(*key, told) for key, told in by_message.items()]
    messages.sort(key=lambda m: (m.first_at, m.channel, m.id))
    return messages


def _attempts(messages: Sequence[Message], calendar: Calendar) -> list[Attempt]:
    by_attempt: dict[AttemptKey, list[Message]] = {}
    for message in messages:
        named = message.attempt_id
        key = (False, day_text(calendar.day(message.first_at))) if named is None else (True, named)
        by_attempt.setdefault(key, []).append(message)
    attempts = [Attempt(key, together) for key, together in by_attempt.items()]
    attempts.sort(key=lambda a: a.order)
    return attempts


def _attribute(attempts: Sequence[Attempt], appointments: Sequence[Appointment], calendar: Calendar) -> None:
    created = sorted(appointments, key=lambda a: (a.created_at // SECOND, a.order))
    own = _own_appointments(attempts, created, calendar)
    reaching = [a for a in attempts if a.reached_somebody]
    for position, appointment in enumerate(created):
        if appointment.id in own:
            continue
        at = appointment.created_at
        day = calendar.day(at)
        attempt = next(
            (a for a in reversed(reaching) if a.begun_at < at and day - calendar.day(a.begun_at) <= ATTRIBUTION_DAYS),
            None,
        )
        if attempt is None or attempt.booked_at is not None:
            continue
        standing = created[:position]
        if not any(_is_future(other, at) for other in standing):
            attempt.booked_at = at


def _own_appointments(attempts: Sequence[Attempt], created: Sequence[Appointment], calendar: Calendar) -> set[str]:
    """Appointments that are the phone bookings themselves and earn nothing else."""
    own: set[str] = set()
    booked = [a for a in attempts if a.phone_booked]
    for attempt in sorted(booked, key=lambda a: (a.booked_at or 0, a.order)):
        around = own_window(attempt, calendar)
        first = next((a for a in created if calendar.day(a.created_at) in around and a.id not in own), None)
        if first is not None:
            own.add(first.id)
    return own


def own_window(attempt: Attempt, calendar: Calendar) -> range:
    """The local days around a phone booking in which its appointment is entered."""
    day = calendar.day(attempt.booked_at or 0)
    return range(day - OWN_BOOKING_DAYS_BEFORE, day + OWN_BOOKING_DAYS_AFTER + 1)


def _is_future(appointment: Appointment, at: int) -> bool:
    return appointment.starts_at > at and appointment.cancelled_at > at
