"""The follow-up date, and the alerts that ask for somebody to act."""

from datetime import date, timedelta
from itertools import pairwise

from support.oracle.attempts import Attempt, attempts, messages, status
from support.oracle.contact import (
    attended,
    future_bookings,
    last_attended,
    last_contact,
    level,
    missed,
)
from support.oracle.credit import bookings
from support.oracle.facts import Recall
from support.oracle.view import Known

RECALL_SATISFIED_FROM_DAYS_BEFORE = 14
MISSED_ONLY_FOLLOW_UP_DAYS = 28
DEFAULT_FOLLOW_UP_DAYS = 28


def open_recalls(k: Known) -> list[Recall]:
    """ "created, not archived, and no attended appointment that began after the recall was
    created, from 14 days before its day on"."""

    def satisfied(recall: Recall) -> bool:
        earliest = recall.recall_on - timedelta(days=RECALL_SATISFIED_FROM_DAYS_BEFORE)
        return any(
            a.starts_at > recall.created_at and k.calendar.local_date(a.starts_at) >= earliest for a in attended(k)
        )

    def archived(recall: Recall) -> bool:
        return recall.archived_at is not None and recall.archived_at <= k.at

    return [r for r in k.recalls if not archived(r) and not satisfied(r)]


def median_gap_days(k: Known) -> int | None:
    """ "the patient's own median gap between distinct days of attendance (needs 3 such days,
    that is 2 gaps; half days round up)"."""
    days = sorted({k.calendar.local_date(a.starts_at) for a in attended(k)})
    if len(days) < 3:
        return None
    gaps = sorted((b - a).days for a, b in pairwise(days))
    middle = len(gaps) // 2
    if len(gaps) % 2:
        return gaps[middle]
    return (gaps[middle - 1] + gaps[middle] + 1) // 2


def follow_up_on(k: Known) -> date | None:
    """ "the earliest open recall ...; else the last attended day + the patient's own median gap
    ...; else the last attended day + the organization's `followup_days` for that appointment
    type (setting; default 28); never attended: the last missed day + 28; neither: none"."""
    recalls = open_recalls(k)
    if recalls:
        return min(r.recall_on for r in recalls)
    last = last_attended(k)
    if last:
        gap = median_gap_days(k)
        if gap is None:
            by_type = k.settings["followup_days"]
            gap = by_type.get(last.type, by_type.get("*", DEFAULT_FOLLOW_UP_DAYS))
        return k.calendar.local_date(last.starts_at) + timedelta(days=gap)
    if missed(k):
        last_missed = max(a.starts_at for a in missed(k))
        return k.calendar.local_date(last_missed) + timedelta(days=MISSED_ONLY_FOLLOW_UP_DAYS)
    return None


def booked_keys(k: Known) -> set[tuple]:
    return {b.attempt.key for b in k.once(bookings)}


def last_attempt(k: Known) -> Attempt | None:
    """ "the last attempt (the one with the latest message)".

    READING: of two whose latest messages began in the same instant, the later attempt.
    """
    return max(k.once(attempts), key=lambda a: (a.last_message.began_at, a.order), default=None)


def is_missed_appt(k: Known) -> bool:
    """ "missed an appointment in the last 14 days and attended none on that local day or later".

    READING: true if any missed appointment of the last 14 days was not made up for, which is
    the same as asking the latest one.
    """
    days = [k.calendar.local_date(a.starts_at) for a in missed(k) if k.calendar.in_last_days(a.starts_at, 14, k.at)]
    attended_on = [k.calendar.local_date(a.starts_at) for a in attended(k)]
    return any(all(on < day for on in attended_on) for day in days)


def is_failed_contact(k: Known) -> bool:
    """ "had a message in the last 30 days, the last attempt (the one with the latest message)
    failed, and no contact followed its last message".

    READING: its last message's earliest event; a contact in that same instant did not follow.
    """
    last = k.once(last_attempt)
    if last is None:
        return False
    if not any(k.calendar.in_last_days(m.began_at, 30, k.at) for m in k.once(messages)):
        return False
    if status(k, last, last.key in booked_keys(k)) != "failed":
        return False
    contact = k.once(last_contact)
    return contact is None or contact <= last.last_message.began_at


def is_overdue_followup(k: Known) -> bool:
    """ "have no future booking and are past (after, not on) their follow-up date"."""
    due = follow_up_on(k)
    return not k.once(future_bookings) and due is not None and k.today > due


def is_no_future_appt(k: Known) -> bool:
    """ "have no future booking"."""
    return not k.once(future_bookings)


ALERTS = {
    "missed_appt": is_missed_appt,
    "failed_contact": is_failed_contact,
    "overdue_followup": is_overdue_followup,
    "no_future_appt": is_no_future_appt,
}


def needs_immediate_action(k: Known) -> bool:
    """ "patients without a future booking who are critical or in failed_communications (the
    union)". READING: the condition "without a future booking" holds for both."""
    return not k.once(future_bookings) and (level(k) == "critical" or is_failed_contact(k))
