"""Which tries to win a drifting patient back there were, and which succeeded."""

from bisect import bisect_left
from typing import NamedTuple

from rules.levels import level_of
from rules.outreach import Attempt, own_window
from rules.view import View

OPENS_AFTER_DAYS = 14
LASTS_DAYS = 90


class Episode(NamedTuple):
    """Opens at an attempt; `reengaged_at` is the booking or attendance that ended it."""

    opened_at: int
    level: int
    reengaged_at: int | None


def in_scope_at(view: View, instant: int) -> bool:
    """The patient existed at an earlier instant."""
    contact = view.facts.contact
    return contact is not None and contact.created_at <= instant < contact.gone_at


def episodes(view: View) -> list[Episode]:
    """The patient's episodes in order, as known at the view's instant."""
    attempts = view.outreach.attempts
    if not attempts:
        return []
    opened = _openings(view)
    events = sorted([a.booked_at for a in attempts if a.booked_at is not None] + [a.starts_at for a in view.attended])
    found = []
    for position, (attempt, level) in enumerate(opened):
        until = opened[position + 1][0].begun_at if position + 1 < len(opened) else None
        found.append(Episode(attempt.begun_at, level, _end(view, attempt, events, until)))
    return found


def _openings(view: View) -> list[tuple[Attempt, int]]:
    day = view.calendar.day
    contacts = view.contacts
    created = view.facts.contact.created_at if view.facts.contact else 0
    opened: list[tuple[Attempt, int]] = []
    for attempt in view.outreach.attempts:
        begun = attempt.begun_at
        if not in_scope_at(view, begun):
            continue
        earlier = bisect_left(contacts, begun)
        since = contacts[earlier - 1] if earlier else None
        days = day(begun) - day(created if since is None else since)
        if days < OPENS_AFTER_DAYS or _booked_at(view, attempt):
            continue
        if opened:
            last = opened[-1][0].begun_at
            if (since is None or last > since) and day(begun) - day(last) <= LASTS_DAYS:
                continue
        opened.append((attempt, level_of(days)))
    return opened


def _booked_at(view: View, attempt: Attempt) -> bool:
    """A future booking stood when the attempt began, its own phone booking aside."""
    begun = attempt.begun_at
    own = own_window(attempt, view.calendar) if attempt.phone_booked else range(0)
    return any(
        a.created_at <= begun
        and a.starts_at > begun
        and a.cancelled_at > begun
        and not (own and view.calendar.day(a.created_at) in own)
        for a in view.existing
    )


def _end(view: View, attempt: Attempt, events: list[int], until: int | None) -> int | None:
    day = view.calendar.day
    begun = attempt.begun_at
    for at in events:
        if at < begun or (at == begun and attempt.booked_at != at):
            continue
        if day(at) - day(begun) > LASTS_DAYS or (until is not None and at >= until):
            return None
        return at
    return None
