"""The oracle: every answer of the API at any `as_of`, worked out from the raw facts each time."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from support.oracle import cliniko_pages, performance, risk, trends
from support.oracle.attempts import attempts, status
from support.oracle.cliniko_records import read_facts
from support.oracle.contact import contacts, dormant, last_contact
from support.oracle.credit import bookings, episodes
from support.oracle.facts import Facts
from support.oracle.follow_up import ALERTS, booked_keys, follow_up_on, needs_immediate_action
from support.oracle.times import Calendar, rfc3339
from support.oracle.view import Known, View


@dataclass
class Clinic:
    """An organization's settings (shape of expected.json["settings"]), its Cliniko records by
    kind, and its outreach events; or, for the large sets, the facts themselves."""

    settings: dict
    cliniko: dict[str, list[dict]] = field(default_factory=dict)
    outreach: list[dict] = field(default_factory=list)
    facts: Facts | None = None


def as_list(value: str | list[str] | None) -> list[str] | None:
    return [value] if isinstance(value, str) else value


class Oracle:
    def __init__(self, clinic: Clinic) -> None:
        self.settings = clinic.settings
        self.calendar = Calendar(clinic.settings["time_zone"])
        self.facts = clinic.facts or read_facts(clinic.cliniko, clinic.outreach, clinic.settings["id"])
        self._latest: View | None = None
        self._levels: dict[datetime, dict] = {}  # periods overlap: a day is counted once for all of them

    def view(self, as_of: str) -> View:
        """The world at `as_of`; the latest one asked for is kept for the next question."""
        at = self.calendar.as_of(as_of)
        if self._latest is None or self._latest.at != at:
            self._latest = self._view_at(at)
        return self._latest

    def _view_at(self, at: datetime) -> View:
        return View(self.facts, self.settings, self.calendar, at)

    def _levels_at(self, at: datetime) -> dict:
        if at not in self._levels:
            latest = self._latest
            self._levels[at] = risk.risk_levels_of_day(latest if latest and latest.at == at else self._view_at(at))
        return self._levels[at]

    def risk_metrics(self, as_of: str, include_dormant: bool = False) -> dict:
        return risk.risk_metrics(self.view(as_of), include_dormant)

    def performance(
        self,
        as_of: str,
        days: int | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> dict:
        view = self.view(as_of)
        if from_ and to:
            first, last = date.fromisoformat(from_), date.fromisoformat(to)
            return performance.performance(view, first, last, f"{from_}/{to}")
        last = self.calendar.local_date(view.at)
        first = last - timedelta(days=(days or 30) - 1)
        return performance.performance(view, first, last, f"last_{days or 30}_days")

    def prioritized(
        self,
        as_of: str,
        risk_level: str | list[str] | None = None,
        action_required: str | list[str] | None = None,
        sort_by: str = "days_since_contact",
        include_dormant: bool = False,
    ) -> dict:
        """The whole list, without risk_score; `sort_by="id"` beside the API's two."""
        return risk.prioritized(
            self.view(as_of), as_list(risk_level), as_list(action_required), sort_by, include_dormant
        )

    def trends(self, as_of: str, period: str = "30d") -> dict:
        return trends.trends(self.view(as_of), period, self._levels_at)

    def status(self, as_of: str) -> dict:
        return cliniko_pages.status(self.view(as_of))

    def active_patients(self, as_of: str) -> dict:
        return cliniko_pages.active_patients(self.view(as_of))

    def active_patients_summary(self, as_of: str) -> dict:
        return cliniko_pages.active_patients_summary(self.view(as_of))

    def contacts_with_appointments(self, as_of: str) -> dict:
        return cliniko_pages.contacts_with_appointments(self.view(as_of))

    def patients(self, as_of: str) -> dict[str, dict]:
        """By patient id, for those in scope: the row and all that it was derived from."""
        return {k.patient.id: derived(k) for k in self.view(as_of).in_scope}


def derived(k: Known) -> dict:
    """Every derived value by name, for finding where two answers part."""
    due = follow_up_on(k)
    booked = {b.attempt.key: b for b in k.once(bookings)}
    return {
        **risk.row(k),
        "dormant": dormant(k),
        "last_contact_at": rfc3339(k.once(last_contact)),
        "contacts": [rfc3339(c) for c in sorted(contacts(k))],
        "follow_up_date": due.isoformat() if due else None,
        "alerts": [name for name, holds in ALERTS.items() if holds(k)],
        "immediate_action": needs_immediate_action(k),
        "became_at_risk_on": sorted(d.isoformat() for d in trends.days_become_at_risk(k)),
        "attempts": [
            {
                "key": a.key,
                "began_at": rfc3339(a.began_at),
                "messages": [(m.channel, m.message_id, rfc3339(m.began_at)) for m in a.messages],
                "status": status(k, a, a.key in booked_keys(k)),
                "booked_at": rfc3339(booked[a.key].at) if a.key in booked else None,
                "appointment": (
                    (booked[a.key].appointment.id, booked[a.key].appointment.attendee_id)
                    if a.key in booked and booked[a.key].appointment
                    else None
                ),
            }
            for a in k.once(attempts)
        ],
        "episodes": [
            {
                "attempt": e.attempt.key,
                "opened_at": rfc3339(e.opened_at),
                "level": e.level,
                "reengaged_at": rfc3339(e.reengaged_at),
            }
            for e in k.once(episodes)
        ],
        "active": cliniko_pages.is_active(k),
    }
