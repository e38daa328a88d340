"""What to do about a patient next, through which channel, and when."""

from rules.levels import (
    CONFIRM_BOOKING,
    CRITICAL,
    ENGAGED,
    FIRST_DAYS,
    HIGH,
    LAST_PRIORITY,
    LOW,
    MEDIUM,
    RECOMMENDATIONS,
    REVIEW_MANUALLY,
)
from rules.outreach import CHANNELS, OPTED_OUT
from rules.view import View

REMINDER_CHANNELS = {
    "SMS": ("sms",),
    "Email": ("email",),
    "SMS & Email": ("sms", "email"),
}

DUE = 0
"""A next action day that means: today, whichever day that is."""

MORNING_ENDS, AFTERNOON_ENDS = 12, 17
PARTS_OF_DAY = ("morning", "afternoon", "evening")


def opted_out(view: View) -> frozenset[str]:
    """Channels that the patient does not want: told so, or the marketing consent is false."""
    channels = {r.channel for r in view.reports if r.outcome == OPTED_OUT}
    contact = view.facts.contact
    if contact is not None:
        if contact.accepts_sms_marketing is False:
            channels.add("sms")
        if contact.accepts_email_marketing is False:
            channels.add("email")
    return frozenset(channels)


def recommended_action(view: View) -> tuple[str, int]:
    """The action and its priority (1 most urgent)."""
    level = view.level
    if view.has_booking:
        return CONFIRM_BOOKING, min(level + 2, LAST_PRIORITY)
    if level in (LOW, ENGAGED):
        return RECOMMENDATIONS[level].action, level + 1
    usable = _usable_channels(view)
    for candidate in range(level, MEDIUM + 1):
        if usable.intersection(RECOMMENDATIONS[candidate].channels):
            return RECOMMENDATIONS[candidate].action, level + 1
    return REVIEW_MANUALLY, level + 1


def _usable_channels(view: View) -> set[str]:
    contact = view.facts.contact
    if contact is None:
        return set()
    usable = {"phone", "sms"} if contact.phone else set()
    if contact.email:
        usable.add("email")
    return usable - opted_out(view)


def next_action_day(view: View) -> int:
    """The local day of the next action, DUE when it is today or overdue."""
    day = planned_action_day(view)
    return DUE if day <= view.today else day


def planned_action_day(view: View) -> int:
    """The local day that the facts set for the next action, even if it has passed; DUE: at once."""
    if view.next_booking is not None:
        return view.calendar.day(view.next_booking.starts_at) - 1
    if view.level in (CRITICAL, HIGH, MEDIUM):
        latest = view.latest_try()
        if latest is None:
            return DUE
        day = view.calendar.day(latest) + view.settings.retry_after_days
        if view.level == MEDIUM:
            return max(day, view.counted_from_day + FIRST_DAYS[HIGH])
        return day
    return view.counted_from_day + FIRST_DAYS[view.level - 1]


def communication_preferences(view: View) -> tuple[str, ...]:
    """Channels in the order in which the patient seems to like them."""
    contact = view.facts.contact
    if contact is None:
        return ()
    consents = {
        "sms": contact.accepts_sms_marketing,
        "email": contact.accepts_email_marketing,
    }
    answered = {m.channel for a in view.outreach.attempts for m in a.messages if m.two_way}
    preferred = [
        *REMINDER_CHANNELS.get(contact.reminder_type or "", ()),
        *(c for c in CHANNELS if consents.get(c)),
        *(c for c in CHANNELS if c in answered),
    ]
    unwanted = opted_out(view)
    return tuple(dict.fromkeys(c for c in preferred if c not in unwanted))


def best_contact_time(view: View) -> str | None:
    """The part of the day in which most messages were first answered, else visits began."""
    instants = [m.answered_at for a in view.outreach.attempts for m in a.messages if m.answered_at is not None]
    if not instants:
        instants = [a.starts_at for a in view.attended]
    if not instants:
        return None
    counts = [0, 0, 0]
    for instant in instants:
        hour = view.calendar.hour(instant)
        counts[(hour >= MORNING_ENDS) + (hour >= AFTERNOON_ENDS)] += 1
    return PARTS_OF_DAY[max(range(3), key=lambda part: (counts[part], part))]
