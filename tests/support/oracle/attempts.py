"""Messages and attempts: what was tried with a patient, and how it went by T."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from support.oracle.contact import TWO_WAY
from support.oracle.facts import Event
from support.oracle.view import Known

ORDER = {
    "sms": ("sent", "delivered", "responded"),
    "email": ("sent", "delivered", "opened", "clicked", "responded"),
    "phone": ("attempted", "connected", "appointment_booked"),
}
FAILURES = {
    "sms": ("failed", "opted_out"),
    "email": ("bounced", "opted_out"),
    "phone": ("no_answer", "failed"),
}
NO_RESPONSE_AFTER = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Message:
    """ "all events to one patient with one (channel, `message_id`)", known at T, in order of time."""

    channel: str
    message_id: str
    events: tuple[Event, ...]

    @property
    def began_at(self) -> datetime:
        """ "its day is that of its earliest event"."""
        return self.events[0].time

    @property
    def attempt_id(self) -> str | None:
        """ "the one that any of its events names ...; of several, the earliest named".

        READING: of two named in the same instant, the earlier event (`Event`).
        """
        return next((e.attempt_id for e in self.events if e.attempt_id), None)

    @property
    def outcomes(self) -> frozenset[str]:
        """ "A later outcome implies the earlier ones ...; a failure implies only the first."
        READING: a voicemail too implies only the first."""
        order = ORDER[self.channel]
        implied = {order[0]}
        for event in self.events:
            implied.add(event.outcome)
            if event.outcome in order:
                implied.update(order[: order.index(event.outcome)])
        return frozenset(implied)

    @property
    def answers(self) -> list[Event]:
        return [e for e in self.events if e.outcome in TWO_WAY]

    @property
    def failures(self) -> list[Event]:
        return [e for e in self.events if e.outcome in FAILURES[self.channel]]


@dataclass(frozen=True, slots=True)
class Attempt:
    key: tuple[str, str]
    messages: tuple[Message, ...]  # in the order in which they began

    @property
    def began_at(self) -> datetime:
        """ "It begins with its earliest event." """
        return self.messages[0].began_at

    @property
    def last_message(self) -> Message:
        """READING: of several begun in the same instant, the last by (channel, message_id)."""
        return self.messages[-1]

    @property
    def answers(self) -> list[Event]:
        found = [e for m in self.messages for e in m.answers]
        return sorted(found, key=lambda e: (e.time, e.identity))

    @property
    def order(self) -> tuple:
        """READING: of attempts begun in the same instant, the greater key is the later one."""
        return (self.began_at, self.key)


def messages(k: Known) -> list[Message]:
    by_id: dict[tuple[str, str], list[Event]] = {}
    for event in k.events:
        by_id.setdefault((event.channel, event.message_id), []).append(event)
    found = [Message(channel, ident, tuple(events)) for (channel, ident), events in by_id.items()]
    return sorted(found, key=lambda m: (m.began_at, m.channel, m.message_id))


def attempts(k: Known) -> list[Attempt]:
    """ "all messages to a patient with the same `attempt_id` ...; the messages without one form
    an attempt per patient and local day". In the order in which they began."""
    together: dict[tuple[str, str], list[Message]] = {}
    for message in k.once(messages):
        if message.attempt_id is not None:
            key = ("named", message.attempt_id)
        else:
            key = ("day", k.calendar.local_date(message.began_at).isoformat())
        together.setdefault(key, []).append(message)
    found = [Attempt(key, tuple(of)) for key, of in together.items()]
    return sorted(found, key=lambda a: a.order)


def reached_somebody(attempt: Attempt) -> bool:
    """ "(an attempt whose every message `failed` or `bounced`, with nothing beyond the first
    outcome, reached nobody)".

    READING: a message reached nobody when all its events are first outcomes, `failed` or
    `bounced`, and at least one is a failure. One that only was sent, that was not answered
    (no_answer, voicemail) or was answered by opting out did reach somebody.
    """
    return not all(m.failures and m.outcomes <= {ORDER[m.channel][0], "failed", "bounced"} for m in attempt.messages)


def answered(attempt: Attempt) -> bool:
    return bool(attempt.answers)


def status(k: Known, attempt: Attempt, booked: bool) -> str:
    """ "*Successful*: an attempt with a two-way outcome, or to which a booking is attributed.
    *Failed*: not successful, and every message has a failure, or 72 hours have passed since
    the latest message's earliest event. Otherwise *pending*."

    READING: exactly 72 hours have passed: failed.
    """
    if answered(attempt) or booked:
        return "successful"
    if all(m.failures for m in attempt.messages):
        return "failed"
    if k.at - attempt.last_message.began_at >= NO_RESPONSE_AFTER:
        return "failed"
    return "pending"


def method(attempt: Attempt) -> str:
    """ "(the channel answered, else the last used)". READING: of several answered, the
    one answered first; in one instant the first by name."""
    if not attempt.answers:
        return attempt.last_message.channel
    return min(attempt.answers, key=lambda e: (e.time, e.channel)).channel


def reason(k: Known, attempt: Attempt, booked: bool) -> str | None:
    """ "(null when successful; the latest reason given; null while pending; the last message's
    latest failure outcome where all failed; else `no_response`)", read as a cascade."""
    state = status(k, attempt, booked)
    if state == "successful":
        return None
    given = [e for m in attempt.messages for e in m.events if e.reason]
    if given:
        return max(given, key=lambda e: (e.time, e.identity)).reason
    if state == "pending":
        return None
    if all(m.failures for m in attempt.messages):
        return attempt.last_message.failures[-1].outcome
    return "no_response"
