"""What to do with a patient, over which channel, and on which day."""

from datetime import date, timedelta

from support.oracle.attempts import attempts, reached_somebody
from support.oracle.contact import future_bookings, last_contact, level, next_level_on
from support.oracle.view import Known

PRIORITY = {"critical": 1, "high": 2, "medium": 3, "low": 4, "engaged": 5}
CHANNELS = ("sms", "email", "phone")  # the order "within a step"
# "phone → sms → check-in → `review_manually`", each with the channels it may use
LADDER = (
    ("immediate_phone_call", ("phone",)),
    ("sms_and_follow_up", ("sms",)),
    ("automated_check_in", ("sms", "email")),
)
FIRST_STEP = {"critical": 0, "high": 1, "medium": 2}


def opted_out(k: Known, channel: str) -> bool:
    """ "an `opted_out` event on it, or the Cliniko marketing consent for it is false; null is
    not a no"."""
    consent = {"sms": k.patient.sms_consent, "email": k.patient.email_consent}
    told = any(e.channel == channel and e.outcome == "opted_out" for e in k.events)
    return told or consent.get(channel) is False


def has_address(k: Known, channel: str) -> bool:
    """READING: the number shown as the patient's phone serves sms and phone alike."""
    return bool(k.patient.email if channel == "email" else k.patient.phone)


def usable(k: Known, channel: str) -> bool:
    return has_address(k, channel) and not opted_out(k, channel)


def recommended_action(k: Known) -> str:
    """ "With a future booking the action of any level becomes `confirm_upcoming_appointment`";
    else "An action never proposes a channel the patient has no address for or opted out of:
    fall down the table, phone → sms → check-in → `review_manually`"."""
    if k.once(future_bookings):
        return "confirm_upcoming_appointment"
    now = level(k)
    if now == "low":
        return "routine_monitoring"
    if now == "engaged":
        return "none"
    for action, channels in LADDER[FIRST_STEP[now] :]:
        if any(usable(k, channel) for channel in channels):
            return action
    return "review_manually"


def action_priority(k: Known) -> int:
    """ "its priority one step lower (at most 5)"; "the priority stays the level's"."""
    own = PRIORITY[level(k)]
    return min(own + 1, 5) if k.once(future_bookings) else own


def next_action_on(k: Known) -> date:
    """ "with a future booking the day before it. Without: critical, high and medium today,
    until there is a try ...; then the day of the tries' latest message + `retry_after_days`,
    for medium no earlier than the day on which it becomes high. Low and engaged: the day on
    which the next level begins. Never before today." """
    return max(wished_action_on(k), k.today)


def wished_action_on(k: Known) -> date:
    coming = k.once(future_bookings)
    if coming:
        return k.calendar.local_date(coming[0].starts_at) - timedelta(days=1)
    now = level(k)
    if now in ("low", "engaged"):
        return next_level_on(k)
    # "a try (an attempt that reached somebody, see below, with a message after the last
    # contact)". READING: with no contact ever, any message; the tries' latest message counts
    # even where that one bounced.
    contact = k.once(last_contact)
    tries = [
        a
        for a in k.once(attempts)
        if reached_somebody(a) and any(contact is None or m.began_at > contact for m in a.messages)
    ]
    if not tries:
        return k.today
    latest = max(a.last_message.began_at for a in tries)
    retry_on = k.calendar.local_date(latest) + timedelta(days=k.settings["retry_after_days"])
    return max(retry_on, next_level_on(k)) if now == "medium" else retry_on


def communication_preferences(k: Known) -> list[str]:
    """ "those of the Cliniko reminder setting (SMS before email), then those with marketing
    consent true, then those once answered (within a step sms, email, phone; also without an
    address); opted-out ones left out"."""
    reminder = {
        "SMS": {"sms"},
        "Email": {"email"},
        "SMS & Email": {"sms", "email"},
    }.get(k.patient.reminder_type or "None", set())
    consents = {"sms": k.patient.sms_consent, "email": k.patient.email_consent}
    consented = {channel for channel, consent in consents.items() if consent is True}
    once_answered = {e.channel for a in k.once(attempts) for e in a.answers}
    ordered = [channel for step in (reminder, consented, once_answered) for channel in CHANNELS if channel in step]
    return [c for c in dict.fromkeys(ordered) if not opted_out(k, c)]
