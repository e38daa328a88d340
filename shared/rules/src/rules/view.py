"""What of a patient's facts stands at an instant: the world cut at T.

Dated fields decide what exists, is cancelled, has happened or is to come; undated ones are those
of the newest version (definitions.md, Three rules).
"""

from rules.activity import Activity, activity_of
from rules.facts import Appointment, Communication, Facts, Recall, Report, Treatment
from rules.followup import followup_day
from rules.lazy import lazy
from rules.levels import AT_RISK_FROM_DAYS, level_of
from rules.outreach import NO_OUTREACH, TWO_WAY, Attempt, Gathering, Outreach
from rules.settings import RuleSettings

MISSED_RECENTLY_DAYS = 14
MESSAGED_RECENTLY_DAYS = 30

_OF_TODAY = ("level", "last_attempt_failed")
"""What a view keeps that depends on its instant, not only on the facts told by then."""

_OF_VISITS = ("last_attended", "attended_days", "last_missed_day", "followup_day")
"""What follows, without recalls, from appointments attended and missed."""

_OF_CONTACTS = ("contacts", "contact_days", "counted_from", "counted_from_day")
"""What follows from contacts."""


class View:
    """One patient's facts as of T; what is costly is computed when first asked for."""

    def __init__(self, facts: Facts, settings: RuleSettings, as_of: int) -> None:
        self.facts = facts
        self.settings = settings
        self.as_of = as_of
        self.calendar = settings.calendar
        self.today = settings.calendar.day(as_of)
        contact = facts.contact
        self.in_scope = (
            contact is not None and contact.created_at <= as_of < contact.gone_at and as_of < contact.merged_at
        )
        self.merged_away = contact is not None and contact.merged_at <= as_of
        self.existing: list[Appointment] = []
        """Appointments created and not gone, cancelled ones included."""
        self.attended: list[Appointment] = []
        self.missed: list[Appointment] = []
        self.future: list[Appointment] = []
        self.unmarked: list[Appointment] = []
        """Past ones that count as neither attended nor missed: no mark where marks are required."""
        self.started = 0
        """Started, exist, not cancelled: attended, missed and unmarked ones."""
        if not self.merged_away:
            self._sort_appointments(settings.require_arrival_mark)

    def follow(self, earlier: "View") -> None:
        """Takes over from an earlier view of the same facts what has not changed since.

        Saves work, nothing else: what was told stays told, so equal counts are equal contents.
        """
        if self.merged_away:
            return
        same_attended = self.attended == earlier.attended
        if same_attended and self.missed == earlier.missed and not self.facts.recalls:
            self._take(earlier, _OF_VISITS)
        if not self.facts.reports:
            if same_attended and len(self.communications) == len(earlier.communications):
                self._take(earlier, _OF_CONTACTS)
            return
        told_before = earlier.reports
        self.reports = told_before if len(self.reports) == len(told_before) else self.reports
        same_reports = self.reports is told_before
        if same_reports and same_attended and len(self.communications) == len(earlier.communications):
            self._take(earlier, _OF_CONTACTS)
        if same_reports and self.existing == earlier.existing:
            self.gathering, self.outreach = earlier.gathering, earlier.outreach
        elif self.reports[: len(told_before)] == told_before:
            self.gathering = earlier.gathering
            self.gathering.add(self.reports[len(told_before) :])

    def _take(self, earlier: "View", names: tuple[str, ...]) -> None:
        computed = earlier.__dict__
        for name in names:
            if name in computed:
                self.__dict__[name] = computed[name]

    def move_on(self, as_of: int) -> None:
        """Becomes the view as of a later instant, where no fact begins, ends or is told in between.

        Then only today moves on: all else that was computed stands.
        """
        for name in _OF_TODAY:
            self.__dict__.pop(name, None)
        self.as_of = as_of
        self.today = self.calendar.day(as_of)
        if "activity" in self.__dict__ and self.today >= self.activity.until:
            del self.__dict__["activity"]

    def _sort_appointments(self, require_mark: bool) -> None:
        as_of = self.as_of
        for appointment in self.facts.appointments:
            if appointment.created_at > as_of or appointment.gone_at <= as_of or appointment.known_from > as_of:
                continue
            self.existing.append(appointment)
            if appointment.cancelled_at <= as_of:
                continue
            if appointment.starts_at > as_of:
                self.future.append(appointment)
                continue
            self.started += 1
            if appointment.missed:
                self.missed.append(appointment)
            elif appointment.arrived or not require_mark:
                self.attended.append(appointment)
            else:
                self.unmarked.append(appointment)

    @lazy
    def communications(self) -> list[Communication]:
        """Received by T."""
        if self.merged_away:
            return []
        as_of = self.as_of
        return [c for c in self.facts.communications if c.at <= as_of and c.known_from <= as_of]

    @lazy
    def reports(self) -> list[Report]:
        """Outreach events by T."""
        if self.merged_away:
            return []
        as_of = self.as_of
        return [r for r in self.facts.reports if r.at <= as_of and r.known_from <= as_of]

    @lazy
    def treatments(self) -> list[Treatment]:
        """Treatment outcomes reported by T."""
        if self.merged_away:
            return []
        as_of = self.as_of
        return [t for t in self.facts.treatments if t.at <= as_of and t.known_from <= as_of]

    @lazy
    def recalls(self) -> list[Recall]:
        """Recalls created and not archived."""
        if self.merged_away:
            return []
        as_of = self.as_of
        return [r for r in self.facts.recalls if r.created_at <= as_of < r.gone_at and r.known_from <= as_of]

    @lazy
    def contacts(self) -> list[int]:
        """Instants at which patient and clinic demonstrably interacted, in order."""
        instants = [a.starts_at for a in self.attended]
        if self.facts.communications:
            instants += [c.at for c in self.communications]
        if self.facts.reports:
            instants += [r.at for r in self.reports if r.outcome in TWO_WAY]
        instants.sort()
        return instants

    @lazy
    def contact_days(self) -> list[int]:
        """Distinct local days of contacts, in order."""
        day = self.calendar.day
        return sorted({day(at) for at in self.contacts})

    @property
    def last_contact(self) -> int | None:
        """The last contact, or none ever."""
        return self.contacts[-1] if self.contacts else None

    @lazy
    def counted_from(self) -> int:
        """The instant from which days without contact count: last contact, else creation."""
        if self.contacts:
            return self.contacts[-1]
        return self.facts.contact.created_at if self.facts.contact is not None else self.as_of

    @lazy
    def counted_from_day(self) -> int:
        """The local day of `counted_from`."""
        return self.calendar.day(self.counted_from)

    @property
    def days_since_last_contact(self) -> int:
        """Local days from the last contact, or from the record's creation, to T."""
        return self.today - self.counted_from_day

    @lazy
    def level(self) -> int:
        """The level by the days alone."""
        return level_of(self.days_since_last_contact)

    @property
    def at_risk(self) -> bool:
        """Critical, high or medium."""
        return self.days_since_last_contact >= AT_RISK_FROM_DAYS

    @property
    def has_booking(self) -> bool:
        """A future booking stands."""
        return bool(self.future)

    @property
    def dormant(self) -> bool:
        """Beyond the active window with nothing booked."""
        return not self.future and self.days_since_last_contact > self.settings.active_window_days

    @lazy
    def activity(self) -> Activity:
        """How much the patient comes."""
        return activity_of(self)

    @lazy
    def next_booking(self) -> Appointment | None:
        """The future booking that starts first."""
        return min(self.future, key=lambda a: (a.starts_at, a.order), default=None)

    @lazy
    def last_attended(self) -> Appointment | None:
        """The attended appointment that started last."""
        return max(self.attended, key=lambda a: (a.starts_at, a.order), default=None)

    @lazy
    def attended_days(self) -> list[int]:
        """Distinct local days of attendance, in order."""
        day = self.calendar.day
        return sorted({day(a.starts_at) for a in self.attended})

    @lazy
    def last_missed_day(self) -> int | None:
        """The local day of the last missed appointment."""
        if not self.missed:
            return None
        return self.calendar.day(max(a.starts_at for a in self.missed))

    @property
    def missed_recently(self) -> bool:
        """Missed one in the last 14 days and attended none on that day or later."""
        missed = self.last_missed_day
        if missed is None or self.today - missed >= MISSED_RECENTLY_DAYS:
            return False
        return not self.attended or self.attended_days[-1] < missed

    def missed_in_last(self, days: int) -> int:
        """Missed appointments in the last N days."""
        day = self.calendar.day
        return sum(1 for a in self.missed if self.today - day(a.starts_at) < days)

    @lazy
    def gathering(self) -> Gathering:
        """The reports told by T, gathered into messages and attempts."""
        gathering = Gathering(self.calendar)
        gathering.add(self.reports)
        return gathering

    @lazy
    def outreach(self) -> Outreach:
        """Messages, attempts and bookings as known at T."""
        if not self.facts.reports or not self.reports:
            return NO_OUTREACH
        return self.gathering.outreach(self.existing)

    @lazy
    def last_attempt_failed(self) -> bool:
        """The last attempt failed and no contact followed its last message."""
        last = self.outreach.last
        if last is None or not last.failed(self.as_of):
            return False
        return self.last_contact is None or self.last_contact <= last.latest.first_at

    @property
    def failed_communication(self) -> bool:
        """`last_attempt_failed`, and a message in the last 30 days."""
        last = self.outreach.last
        return (
            last is not None
            and self.today - self.calendar.day(last.latest.first_at) < MESSAGED_RECENTLY_DAYS
            and self.last_attempt_failed
        )

    @lazy
    def followup_day(self) -> int | None:
        """The local day by which a follow-up is due, if there is any reason for one."""
        return followup_day(self)

    @property
    def followup_overdue(self) -> bool:
        """Nothing booked and past the follow-up date."""
        return not self.future and self.followup_day is not None and self.today > self.followup_day

    def latest_try(self) -> int | None:
        """The latest message's instant among tries: attempts that reached somebody and have a
        message after the last contact."""
        since = self.last_contact
        tries = [
            message.first_at
            for attempt in self._reaching()
            for message in attempt.messages
            if since is None or message.first_at > since
        ]
        return max(tries, default=None)

    def _reaching(self) -> list[Attempt]:
        return [a for a in self.outreach.attempts if a.reached_somebody]
