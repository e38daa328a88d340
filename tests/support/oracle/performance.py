"""What outreach achieved within a timeframe."""

from dataclasses import dataclass
from datetime import date

from support.oracle.attempts import Attempt, attempts, status
from support.oracle.credit import Booking, Episode, bookings, episodes
from support.oracle.rounding import exact, mean, percent
from support.oracle.view import Known, View, in_scope


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt made to a patient in scope when tried."""

    known: Known
    attempt: Attempt
    booking: Booking | None

    @property
    def successful(self) -> bool:
        booked = self.booking is not None
        return status(self.known, self.attempt, booked) == "successful"

    @property
    def began_on(self) -> date:
        return self.known.calendar.local_date(self.attempt.began_at)


def tried(view: View) -> list[Tried]:
    """All attempts known at T "to patients in scope when tried".

    READING: the patient whose the attempt is at T (after a merge the survivor) was in scope
    at the attempt's beginning; whether it still is at T does not matter.
    """
    found = []
    for k in view.everyone:
        if not k.events:
            continue
        booked = {b.attempt.key: b for b in k.once(bookings)}
        for attempt in k.once(attempts):
            if in_scope(k.patient, attempt.began_at):
                found.append(Tried(k, attempt, booked.get(attempt.key)))
    return found


def all_episodes(view: View) -> list[tuple[Known, Episode]]:
    return [(k, e) for k in view.everyone if k.events for e in k.once(episodes)]


def performance(view: View, first: date, last: date, timeframe: str) -> dict:
    """Attempts begun on the local days from first to last, "outcomes as known at T"."""
    within = [t for t in tried(view) if first <= t.began_on <= last]
    local_date = view.calendar.local_date
    reengaged = [
        view.calendar.days_between(e.opened_at, e.reengaged_at)
        for _, e in all_episodes(view)
        if first <= local_date(e.opened_at) <= last and e.reengaged_at
    ]
    successful = sum(t.successful for t in within)
    scheduled = sum(t.booking is not None for t in within)
    contact_rate = percent(successful, len(within))
    conversion = percent(scheduled, successful)
    return {
        "timeframe": timeframe,
        "reengagement_metrics": {
            "outreach_attempts": len(within),
            "successful_contacts": successful,
            "contact_success_rate": contact_rate,
            "appointments_scheduled": scheduled,
            "conversion_rate": conversion,
            "avg_days_to_reengage": mean(reengaged),
        },
        "communication_channels": channels(within),
        "benchmark_comparison": {
            "industry_avg_contact_rate": view.settings["industry_avg_contact_rate"],
            "industry_avg_conversion": view.settings["industry_avg_conversion"],
            "our_performance": our_performance(view.settings, contact_rate, conversion),
        },
    }


def channels(within: list[Tried]) -> dict:
    """ "and the messages of these attempts"; "One message counts once per outcome"."""

    def count(channel: str, outcome: str) -> int:
        return sum(m.channel == channel and outcome in m.outcomes for t in within for m in t.attempt.messages)

    def counts(channel: str, outcomes: tuple[str, ...], rate: str) -> dict:
        body = {outcome: count(channel, outcome) for outcome in outcomes}
        of, by = outcomes[-1], outcomes[-2]
        return {**body, rate: percent(body[of], body[by])}

    return {
        "sms": counts("sms", ("sent", "delivered", "responded"), "response_rate"),
        "email": counts("email", ("sent", "opened", "responded"), "response_rate"),
        "phone": counts("phone", ("attempted", "connected", "appointment_booked"), "conversion_rate"),
    }


def our_performance(settings: dict, contact_rate: float | None, conversion: float | None) -> str | None:
    """ "`average` when both rates (as shown) are within 2.0 points of theirs or the two
    differences add up to 0, otherwise `above_average` / `below_average` by the sign of their
    sum; without a conversion rate the contact rate decides alone; null without attempts"."""
    if contact_rate is None:
        return None
    differences = [exact(contact_rate) - exact(settings["industry_avg_contact_rate"])]
    if conversion is not None:
        differences.append(exact(conversion) - exact(settings["industry_avg_conversion"]))
    if all(abs(d) <= 2 for d in differences) or sum(differences) == 0:
        return "average"
    return "above_average" if sum(differences) > 0 else "below_average"
