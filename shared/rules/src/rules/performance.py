"""What outreach achieved over some local days: the body of `performance`."""

from typing import Any

from rules.day_sums import Days, day_sum
from rules.figures import (
    ATTEMPTS,
    BOOKINGS,
    DAYS_TO_REENGAGE,
    EPISODES_WON,
    MESSAGES,
    SUCCESSES,
)
from rules.numbers import one_decimal, percentage
from rules.outreach import CHANNELS
from rules.settings import RuleSettings

AVERAGE_WITHIN_POINTS = 2.0


def performance(days: Days, settings: RuleSettings, *, first: int, last: int, timeframe: str) -> dict[str, Any]:
    """The body of `performance` over the attempts begun on local days first..last."""

    def total(name: str) -> int:
        return day_sum(days, name, first, last)

    attempts, successes, bookings = total(ATTEMPTS), total(SUCCESSES), total(BOOKINGS)
    contact_rate = percentage(successes, attempts)
    conversion = percentage(bookings, successes)
    won = sum(total(name) for name in EPISODES_WON)
    sms, email, phone = (
        {o: total(name) for (channel, o), name in MESSAGES.items() if channel == wanted} for wanted in CHANNELS
    )
    return {
        "timeframe": timeframe,
        "reengagement_metrics": {
            "outreach_attempts": attempts,
            "successful_contacts": successes,
            "contact_success_rate": contact_rate,
            "appointments_scheduled": bookings,
            "conversion_rate": conversion,
            "avg_days_to_reengage": one_decimal(total(DAYS_TO_REENGAGE), won),
        },
        "communication_channels": {
            "sms": {
                "sent": sms["sent"],
                "delivered": sms["delivered"],
                "responded": sms["responded"],
                "response_rate": percentage(sms["responded"], sms["delivered"]),
            },
            "email": {
                "sent": email["sent"],
                "opened": email["opened"],
                "responded": email["responded"],
                "response_rate": percentage(email["responded"], email["opened"]),
            },
            "phone": {
                "attempted": phone["attempted"],
                "connected": phone["connected"],
                "appointment_booked": phone["appointment_booked"],
                "conversion_rate": percentage(phone["appointment_booked"], phone["connected"]),
            },
        },
        "benchmark_comparison": {
            "industry_avg_contact_rate": settings.industry_avg_contact_rate,
            "industry_avg_conversion": settings.industry_avg_conversion,
            "our_performance": _against_benchmark(contact_rate, conversion, settings),
        },
    }


def _against_benchmark(contact_rate: float | None, conversion: float | None, settings: RuleSettings) -> str | None:
    if contact_rate is None:
        return None
    rates = [(contact_rate, settings.industry_avg_contact_rate)]
    if conversion is not None:
        rates.append((conversion, settings.industry_avg_conversion))
    differences = [round(ours - theirs, 6) for ours, theirs in rates]
    total = round(sum(differences), 6)
    if total == 0 or all(abs(d) <= AVERAGE_WITHIN_POINTS for d in differences):
        return "average"
    return "above_average" if total > 0 else "below_average"
