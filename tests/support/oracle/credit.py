"""Which attempt brought about which booking, and which patients came back after outreach."""

from dataclasses import dataclass
from datetime import datetime

from support.oracle.attempts import Attempt, attempts, reached_somebody
from support.oracle.contact import attended, contacts, level_of
from support.oracle.facts import Appointment
from support.oracle.view import Known, cancelled, in_scope

REACHES_BACK_DAYS = 30
PHONE_BOOKING_DAYS = (-1, 7)  # local days around it in which its appointment is created
EPISODE_OPENS_AFTER_DAYS = 14
EPISODE_LASTS_DAYS = 90


@dataclass(frozen=True, slots=True)
class Booking:
    attempt: Attempt
    at: datetime
    appointment: Appointment | None  # None: a phone booking whose appointment is not known


@dataclass(frozen=True, slots=True)
class Episode:
    attempt: Attempt
    opened_at: datetime
    level: str
    reengaged_at: datetime | None


def entry_order(appointment: Appointment) -> tuple:
    """ "Appointments entered in one second count in the order of their ids"; ids are text."""
    second = appointment.created_at.replace(microsecond=0)
    return (second, appointment.id, appointment.attendee_id)


def phone_booked_at(attempt: Attempt) -> datetime | None:
    """ "A phone `appointment_booked` is the booking of its attempt (of several the earliest)"."""
    booked = [e.time for m in attempt.messages for e in m.events if e.outcome == "appointment_booked"]
    return min(booked, default=None)


def near_phone_booking(k: Known, appointment: Appointment, booked_at: datetime) -> bool:
    """ "created from 1 local day before to 7 after it"."""
    first, last = PHONE_BOOKING_DAYS
    return first <= k.calendar.days_between(booked_at, appointment.created_at) <= last


def bookings(k: Known) -> list[Booking]:
    """At most one per attempt; see the definition of *Attribution*."""
    entered = sorted(k.appointments, key=entry_order)
    found: dict[tuple, Booking] = {}
    taken: set[tuple] = set()

    # "A phone `appointment_booked` is the booking of its attempt ..., at that instant; the first
    # appointment created from 1 local day before to 7 after it is that booking and earns nothing
    # else." READING: of two calls that booked, the earlier takes first, and an appointment is
    # the booking of one call only.
    booked_by_phone = [(at, a) for a in k.once(attempts) if (at := phone_booked_at(a))]
    for at, attempt in sorted(booked_by_phone, key=lambda pair: (pair[0], pair[1].order)):
        own = next(
            (a for a in entered if entry_order(a) not in taken and near_phone_booking(k, a, at)),
            None,
        )
        if own:
            taken.add(entry_order(own))
        found[attempt.key] = Booking(attempt, at, own)

    # "Any other appointment, when created, is credited to the latest attempt that began before
    # it and at most 30 local days ago and that reached somebody ..., if that attempt has no
    # booking yet (otherwise to none, not to an older one), and if the patient had no other
    # future booking then."
    for appointment in entered:
        if entry_order(appointment) in taken:
            continue
        latest = latest_attempt_before(k, appointment)
        if latest is None or latest.key in found:
            continue
        if had_other_future_booking(appointment, entered):
            continue
        found[latest.key] = Booking(latest, appointment.created_at, appointment)
    return list(found.values())


def latest_attempt_before(k: Known, appointment: Appointment) -> Attempt | None:
    created = appointment.created_at
    eligible = [
        a
        for a in k.once(attempts)
        if a.began_at < created
        and k.calendar.days_between(a.began_at, created) <= REACHES_BACK_DAYS
        and reached_somebody(a)
    ]
    return max(eligible, key=lambda a: a.order, default=None)


def had_other_future_booking(appointment: Appointment, entered: list[Appointment]) -> bool:
    """Another one, entered before, standing when this one was entered. "an appointment archived
    or deleted as of T does not exist: it earns nothing and stands in nobody's way"."""
    then = appointment.created_at
    return any(
        entry_order(other) < entry_order(appointment) and other.starts_at > then and not cancelled(other, then)
        for other in entered
    )


def episodes(k: Known) -> list[Episode]:
    """ "opens at an attempt made 14+ days after the last contact (never any: the record's
    creation), to a patient in scope without a future booking (...), unless one opened since
    that contact is at most 90 days old"."""
    opened: list[tuple[Attempt, str]] = []
    for attempt in k.once(attempts):
        at = attempt.began_at
        if not in_scope(k.patient, at):
            continue
        # READING: the last contact strictly before: what the attempt itself brings (a call
        # first reported as connected) does not prevent the episode.
        before = max((c for c in k.once(contacts) if c < at), default=None)
        days = k.calendar.days_between(before or k.patient.created_at, at)
        if days < EPISODE_OPENS_AFTER_DAYS:
            continue
        if booked_then(k, attempt):
            continue
        since = [a for a, _ in opened if before is None or a.began_at > before]
        if any(k.calendar.days_between(a.began_at, at) <= EPISODE_LASTS_DAYS for a in since):
            continue
        opened.append((attempt, level_of(days)))
    openings = [attempt.began_at for attempt, _ in opened]
    found = []
    for number, (attempt, level) in enumerate(opened):
        following = openings[number + 1] if number + 1 < len(openings) else None
        back = reengaged_at(k, attempt, following)
        found.append(Episode(attempt, attempt.began_at, level, back))
    return found


def booked_then(k: Known, attempt: Attempt) -> bool:
    """A future booking at the attempt's beginning, "(of an attempt with a phone booking, what
    was created from 1 local day before to 7 after it aside)"."""
    at = attempt.began_at
    phone = phone_booked_at(attempt)
    return any(
        a.created_at <= at < a.starts_at and not cancelled(a, at) and not (phone and near_phone_booking(k, a, phone))
        for a in k.appointments
    )


def reengaged_at(k: Known, attempt: Attempt, following: datetime | None) -> datetime | None:
    """ "if the first booking attributed or appointment attended after the opening (the
    attempt's own booking also at that instant) comes within 90 days and before the next
    episode opens (an answer alone does not close it)"."""
    opened_at = attempt.began_at
    events = [a.starts_at for a in attended(k) if a.starts_at > opened_at]
    for booking in k.once(bookings):
        own = booking.attempt.key == attempt.key
        if booking.at > opened_at or (own and booking.at == opened_at):
            events.append(booking.at)
    first = min(events, default=None)
    if first is None or (following is not None and first >= following):
        return None
    if k.calendar.days_between(opened_at, first) > EPISODE_LASTS_DAYS:
        return None
    return first
