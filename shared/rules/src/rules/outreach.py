"""What a patient's outreach amounted to, as known at an instant: messages, attempts, bookings.

definitions.md, Outreach. Every function takes the reports and appointments that are visible at
that instant; nothing here cuts time but the 72 hours after which silence is a failure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rules.calendar import Calendar, day_text
from rules.facts import Appointment, Report
from rules.instants import HOUR, SECOND

CHANNELS = ("sms", "email", "phone")

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
    """All reports about one message, in order of time; does not change."""

    __slots__ = (
        "answered_at",
        "attempt_id",
        "channel",
        "first_at",
        "has_failure",
        "id",
        "phone_booked_at",
        "rank",
        "reached_nobody",
        "reports",
    )

    def __init__(self, channel: str, message_id: str, reports: Sequence[Report]) -> None:
        self.channel = channel
        self.id = message_id
        self.reports = reports
        self.first_at = reports[0].at
        self.attempt_id = next((r.attempt_id for r in reports if r.attempt_id is not None), None)
        self.rank = max(_RANK.get((channel, r.outcome), 0) for r in reports)
        told = {r.outcome for r in reports}
        self.has_failure = not told.isdisjoint(FAILURES)
        """Some report says that the message failed."""
        first = ORDERED_OUTCOMES[channel][0]
        self.reached_nobody = not told.isdisjoint(UNREACHED) and told <= UNREACHED | {first}
        """Failed or bounced, and nothing beyond the first outcome (a call not answered rang)."""
        self.answered_at = next((r.at for r in reports if r.outcome in TWO_WAY), None)
        """When the patient first answered."""
        self.phone_booked_at = next((r.at for r in reports if r.outcome == PHONE_BOOKING), None)

    @property
    def two_way(self) -> bool:
        """The patient answered."""
        return self.answered_at is not None

    @property
    def order(self) -> tuple[int, str, str]:
        """Messages of an attempt are in this order."""
        return (self.first_at, self.channel, self.id)

    def outcomes(self) -> tuple[str, ...]:
        """The ordered outcomes reached, each once."""
        return ORDERED_OUTCOMES[self.channel][: self.rank + 1]


AttemptKey = tuple[bool, str]
"""Whether the attempt is named, and its name; without a name, that of its local day."""


class Attempt:
    """All messages of one try to reach the patient, and the booking it brought about; does not change."""

    __slots__ = ("begun_at", "booked_at", "figures", "key", "latest", "messages", "order", "phone_booked")

    def __init__(self, key: AttemptKey, messages: Sequence[Message], credited_at: int | None = None) -> None:
        self.key = key
        self.messages = messages
        self.begun_at = messages[0].first_at
        self.order = (self.begun_at, key)
        """Attempts are in this order; of two begun in one instant the greater key is the later."""
        self.latest = messages[-1]
        booked_at = min((m.phone_booked_at for m in messages if m.phone_booked_at is not None), default=None)
        self.phone_booked = booked_at is not None
        self.booked_at = credited_at if booked_at is None else booked_at
        self.figures: object = None
        """What `rules.figures` makes of it, kept here so that it is made once."""

    def credited(self, at: int) -> "Attempt":
        """The same attempt with a booking."""
        return Attempt(self.key, self.messages, at)

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
    last: Attempt | None
    """The attempt with the latest message."""


NO_OUTREACH = Outreach((), None)


class Gathering:
    """Reports gathered into messages and attempts; more can be added, in order of time."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._messages: dict[tuple[str, str], Message] = {}
        self._members: dict[AttemptKey, dict[tuple[str, str], Message]] = {}
        self._attempts: dict[AttemptKey, Attempt] = {}

    def add(self, reports: Iterable[Report]) -> None:
        """Reports that are not earlier than those gathered already."""
        told: dict[tuple[str, str], list[Report]] = {}
        for report in reports:
            told.setdefault((report.channel, report.message_id), []).append(report)
        touched = set()
        for key, news in told.items():
            before = self._messages.get(key)
            message = Message(*key, news if before is None else [*before.reports, *news])
            if before is not None:
                left = self._key(before)
                del self._members[left][key]
                touched.add(left)
            self._messages[key] = message
            joined = self._key(message)
            self._members.setdefault(joined, {})[key] = message
            touched.add(joined)
        for attempt in touched:
            self._rebuild(attempt)

    def _rebuild(self, key: AttemptKey) -> None:
        members = self._members[key]
        if members:
            self._attempts[key] = Attempt(key, sorted(members.values(), key=lambda m: m.order))
        else:
            del self._members[key]
            self._attempts.pop(key, None)

    def _key(self, message: Message) -> AttemptKey:
        if message.attempt_id is not None:
            return (True, message.attempt_id)
        return (False, day_text(self._calendar.day(message.first_at)))

    def outreach(self, appointments: Sequence[Appointment]) -> Outreach:
        """The attempts, with the bookings credited to them among these appointments."""
        attempts = sorted(self._attempts.values(), key=lambda a: a.order)
        if appointments:
            credited = _credits(attempts, appointments, self._calendar)
            if credited:
                attempts = [a.credited(credited[a.order]) if a.order in credited else a for a in attempts]
        last = max(attempts, key=lambda a: (a.latest.first_at, a.order), default=None)
        return Outreach(tuple(attempts), last)


AttemptOrder = tuple[int, AttemptKey]


def _credits(
    attempts: Sequence[Attempt], appointments: Sequence[Appointment], calendar: Calendar
) -> dict[AttemptOrder, int]:
    """When the bookings were entered that attempts without a phone booking brought about."""
    created = sorted(appointments, key=lambda a: (a.created_at // SECOND, a.order))
    own = _own_appointments(attempts, created, calendar)
    reaching = [a for a in attempts if a.reached_somebody]
    begins = [a.begun_at for a in reaching]
    credited: dict[AttemptOrder, int] = {}
    for position, appointment in enumerate(created):
        if appointment.order in own:
            continue
        at = appointment.created_at
        latest = bisect_left(begins, at) - 1
        if latest < 0:
            continue
        attempt = reaching[latest]
        if calendar.day(at) - calendar.day(attempt.begun_at) > ATTRIBUTION_DAYS:
            continue
        if attempt.booked_at is not None or attempt.order in credited:
            continue
        if not any(_is_future(other, at) for other in created[:position]):
            credited[attempt.order] = at
    return credited


def _own_appointments(attempts: Sequence[Attempt], created: Sequence[Appointment], calendar: Calendar) -> set[str]:
    """Appointments (by `order`) that are the phone bookings themselves and earn nothing else."""
    own: set[str] = set()
    booked = [a for a in attempts if a.phone_booked]
    for attempt in sorted(booked, key=lambda a: (a.booked_at or 0, a.order)):
        around = own_window(attempt, calendar)
        first = next((a for a in created if calendar.day(a.created_at) in around and a.order not in own), None)
        if first is not None:
            own.add(first.order)
    return own


def own_window(attempt: Attempt, calendar: Calendar) -> range:
    """The local days around a phone booking in which its appointment is entered."""
    day = calendar.day(attempt.booked_at or 0)
    return range(day - OWN_BOOKING_DAYS_BEFORE, day + OWN_BOOKING_DAYS_AFTER + 1)


def _is_future(appointment: Appointment, at: int) -> bool:
    return appointment.starts_at > at and appointment.cancelled_at > at
