"""Random clinics: every kind of fact, with the coincidences that rules trip over.

`random_clinic` invents people and what happened to them, the same for the same seed; the records
are whole, so that a Cliniko sandbox can serve them. Nothing is dated after the last moment of
`end` but the starts of bookings and the days of recalls. `awkward_as_ofs` names instants at which
a clinic's answers are worth comparing.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, TypeVar

from support.oracle import Clinic
from support.oracle.practice_shapes import appointment_type_record, business_record, practitioner_record
from support.oracle.record_shapes import (
    alert_record,
    appointment_links,
    attendee_record,
    case_record,
    class_record,
    communication_record,
    individual_record,
    patient_record,
    phone_number,
    recall_record,
    referral_source_record,
)
from support.oracle.times import ONE_MICROSECOND, Calendar, instant, rfc3339

T = TypeVar("T")
ZONES = (
    "America/Havana",  # midnight is skipped in March and repeated in November
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Europe/London",
    "America/St_Johns",
    "America/Sao_Paulo",
    "UTC",
)
# days back from `end`, at and around the edges of levels and windows
EDGE_DAYS = (0, 0, 1, 1, 2, 3, 6, 7, 8, 13, 14, 15, 20, 21, 28, 29, 30, 31, 44, 45, 46, 59, 60, 74, 89, 90, 91)
FAR_DAYS = (120, 150, 199, 200, 201, 364, 365, 366, 400, 455)
CLOCK = ((0, 0, 0), (0, 0, 1), (23, 59, 59), (11, 59, 59), (12, 0, 0), (16, 59, 59), (17, 0, 0), (0, 30, 0), (9, 0, 0))
SHIFTS = (timedelta(0), timedelta(0), timedelta(seconds=1), timedelta(seconds=-1), timedelta(days=1))
AWKWARD_IDS = ("9377952927E-5", "9", "10", "007", "1e5", "99999999999999999999")
TYPES = {"T1": "Standard appointment", "T2": "Follow-up", "T3": "Treatment", "T4": "Initial", "T5": "Pilates class"}
PRACTITIONERS = {"P1": ("Staff", "Practitioner"), "P2": ("Dr.", "B"), "P3": ("Dr.", "A")}
REFERRALS = {"R1": "GP referral", "R2": "Word of mouth"}
CONDITIONS = ("Shoulder", "Latex allergy", "Pacemaker", "Lower back pain")
FIRST_NAMES = ("Ada", "Bo", "Cléa", "Dov", "Ebba", "Fumi", "Gus", "Hoa", "Ines", "José")
LAST_NAMES = ("Ample", "Bogus", "Da Prova", "Example", "Fictum", "Ímpar", "Mock", "Sample")
PHONES = (
    (),
    None,
    (("(02) 5550 1234", "Fax"),),
    (("+61255501111", "Home"), ("+61491570006", "Mobile")),
    (("02 5550 9999", "Fax"), ("02 5550 8888", "Work")),
    (("+61491570156", "Mobile"), ("+61491570157", "Mobile")),
    (("+61491570158", "Mobile"),),
    (("0255507777", "Other"),),
)
OUTCOMES = {
    "sms": ("sent", "delivered", "responded", "failed", "opted_out"),
    "email": ("sent", "delivered", "opened", "clicked", "responded", "bounced", "opted_out"),
    "phone": ("attempted", "connected", "appointment_booked", "no_answer", "failed", "voicemail"),
}
DELAYS = tuple(timedelta(minutes=m) for m in (0, 1, 5, 60, 200, 719, 1440, 2000, 4319, 4320, 4321))
SOURCES = ("/crm", "/dialer", "urn:example:sms-provider")
REASONS = ("not interested now", "number out of service", "call back in spring")


def random_clinic(seed: int, *, patients: int = 25, end: date, time_zone: str | None = None) -> Clinic:
    return _Inventor(seed, end, time_zone).clinic(patients)


def awkward_as_ofs(clinic: Clinic, seed: int, count: int, *, end: date) -> list[str]:
    """Instants at, just before and just after facts of the clinic, 72 hours later, and local
    days; none after `end`, most within its last three months."""
    rng = Random(f"as-of {seed}")
    calendar = Calendar(clinic.settings["time_zone"])
    latest = calendar.end_of_day(end)
    dated = [r[key] for of in clinic.cliniko.values() for r in of for key in ("created_at", "starts_at") if r.get(key)]
    moments = sorted({instant(text) for text in dated} | {instant(e["time"]) for e in clinic.outreach})
    recent = [m for m in moments if latest - timedelta(days=92) <= m <= latest] or [latest]
    chosen = [end.isoformat()]
    while len(chosen) < count:
        if rng.random() < 0.4:
            chosen.append((end - timedelta(days=rng.randrange(92))).isoformat())
            continue
        shift = rng.choice((timedelta(0), ONE_MICROSECOND, -ONE_MICROSECOND, timedelta(hours=72)))
        moment = min(rng.choice(recent) + shift, latest)
        chosen.append(rfc3339(moment))
    return chosen[:count]


class _Inventor:
    def __init__(self, seed: int, end: date, time_zone: str | None) -> None:
        self.rng = rng = Random(f"clinic {seed}")
        self.end = end
        self.organization = f"org_random_{seed}"
        self.time_zone = time_zone or rng.choice(ZONES)
        self.calendar = Calendar(self.time_zone)
        self.latest = self.calendar.end_of_day(end).replace(microsecond=0)
        self.numbers = iter(rng.sample(range(1, 100_000), 50_000))
        self.records: dict[str, list[dict]] = defaultdict(list)
        self.outreach: list[dict] = []
        self.moments: dict[str, list[datetime]] = defaultdict(list)  # of each patient, to coincide with
        self.bookings: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)  # created, starts

    # chance and time

    def likely(self, chance: float) -> bool:
        return self.rng.random() < chance

    def one_of(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def new_id(self, prefix: str = "") -> str:
        """Digits of one to five places, so that order as text is not order as numbers."""
        return f"{prefix}{next(self.numbers)}"

    def days_back(self) -> int:
        if self.likely(0.65):
            return self.one_of(EDGE_DAYS)
        return self.one_of(FAR_DAYS) if self.likely(0.4) else self.rng.randrange(130)

    def at(self, day: date) -> datetime:
        """A moment of that local day: midnight and other edges, or any quarter of an hour."""
        clock = self.one_of(CLOCK) if self.likely(0.5) else (self.rng.randrange(24), 15 * self.rng.randrange(4), 0)
        return datetime.combine(day, time(*clock), tzinfo=self.calendar.zone).astimezone(UTC)

    def moment(self, who: str) -> datetime:
        """In the past as of `end`; often together with something else of the same patient."""
        if self.moments[who] and self.likely(0.25):
            found = self.one_of(self.moments[who]) + self.one_of(SHIFTS)
        else:
            found = self.at(self.end - timedelta(days=self.days_back()))
        return self.note(who, found)

    def note(self, who: str, moment: datetime) -> datetime:
        moment = min(moment, self.latest)
        self.moments[who].append(moment)
        return moment

    def after(self, who: str, moment: datetime) -> datetime:
        later = moment + self.one_of(
            (timedelta(0), timedelta(seconds=1), *DELAYS, timedelta(days=self.rng.randrange(60)))
        )
        return self.note(who, later)

    # the clinic

    def clinic(self, patients: int) -> Clinic:
        ids = [self.patient_id(number) for number in range(patients)]
        self.practice()
        created = {who: self.note(who, self.birth()) for who in ids}
        for who in ids:
            for _ in range(self.one_of((0, 0, 1, 1, 2, 3, 5))):
                self.individual_appointments(who)
        for _ in range(max(1, patients // 3)):
            self.group_appointment(ids)
        for who in ids:
            self.kept_on_file(who, created[who])
            for _ in range(self.one_of((0, 0, 1, 1, 2, 3, 4))):
                self.attempt(who)
            if self.likely(0.25):
                self.treatment(who)
        merges = self.merges(ids, created)
        for who in ids:
            self.records["patients"].append(self.patient(who, created[who], merges.get(who)))
        if self.likely(0.7):
            self.attempt("unknown-1")
        self.outreach += [self.retold(e) for e in self.outreach if self.likely(0.2)]
        for records in (*self.records.values(), self.outreach):
            self.rng.shuffle(records)
        return Clinic(self.settings(), dict(self.records), self.outreach)

    def settings(self) -> dict:
        return {
            "id": self.organization,
            "time_zone": self.time_zone,
            "active_window_days": self.one_of((365, 200, 90, 45, 20)),
            "require_arrival_mark": self.likely(0.25),
            "industry_avg_contact_rate": self.one_of((55.0, 40.0, 33.3)),
            "industry_avg_conversion": self.one_of((68.0, 50.0)),
            "followup_days": self.one_of(
                ({"*": 28}, {"Initial": 10, "*": 35}, {"Treatment": 1, "Follow-up": 90, "*": 14})
            ),
            "retry_after_days": self.one_of((7, 10, 1)),
        }

    def practice(self) -> None:
        self.records["appointment_types"] = [
            appointment_type_record(ident, name, 8 if ident == "T5" else 1) for ident, name in TYPES.items()
        ]
        self.records["practitioners"] = [practitioner_record(ident, *names) for ident, names in PRACTITIONERS.items()]
        self.records["businesses"] = [business_record("B1", "Random Street Physio", self.time_zone)]
        for kind in ("individual_appointments", "group_appointments", "attendees", "communications", "recalls"):
            self.records[kind] = []
        for kind in ("medical_alerts", "patient_cases", "referral_sources", "patients"):
            self.records[kind] = []

    # people

    def patient_id(self, number: int) -> str:
        if number < len(AWKWARD_IDS) and self.likely(0.5):
            return AWKWARD_IDS[number]
        return f"15088123456{number:03}{self.rng.randrange(10**5):05}"

    def birth(self) -> datetime:
        return self.at(self.end - timedelta(days=self.one_of((700, 500, self.days_back(), self.days_back()))))

    def patient(self, who: str, created_at: datetime, merge: tuple[datetime, str] | None) -> dict:
        archived_at = self.after(who, self.one_of(self.moments[who])) if self.likely(0.08) else None
        deleted_at = self.after(who, created_at) if self.likely(0.04) else None
        if merge:
            archived_at = merge[0]
        numbers = self.one_of(PHONES)
        ends = [m for m in (created_at + timedelta(seconds=7), archived_at, deleted_at) if m]
        booked = [
            r["id"]
            for r in self.records["individual_appointments"]
            if r["patient"]["links"]["self"].endswith(f"/{who}")
        ]
        return patient_record(
            who,
            rfc3339(created_at),
            updated_at=rfc3339(min(max(ends), self.latest)),
            first_name=self.one_of(FIRST_NAMES),
            last_name=self.one_of((*LAST_NAMES, "", " Spaced ")),
            email=self.one_of((None, "", f"{self.rng.randrange(999)}@example.com", "someone@example.com")),
            patient_phone_numbers=None if numbers is None else [phone_number(*n) for n in numbers],
            reminder_type=self.one_of((None, "None", "SMS", "Email", "SMS & Email")),
            accepted_sms_marketing=self.one_of((None, None, True, False)),
            accepted_email_marketing=self.one_of((None, None, True, False)),
            referral_source=self.referral(who, created_at),
            archived_at=rfc3339(archived_at),
            deleted_at=rfc3339(deleted_at),
            merged_at=rfc3339(merge[0]) if merge else None,
            merged_with=merge[1] if merge else None,
            latest_booking=max(booked, default=None),
        )

    def referral(self, who: str, created_at: datetime) -> str | None:
        if self.likely(0.5):
            return self.one_of((None, ""))
        type_id = self.one_of(list(REFERRALS))
        self.records["referral_sources"].append(
            referral_source_record(self.new_id(), who, rfc3339(created_at), type_id)
        )
        return REFERRALS[type_id]

    def merges(self, ids: list[str], created: dict[str, datetime]) -> dict[str, tuple[datetime, str]]:
        """Each loser into one that stands later in a random line: chains, but no rings. At any
        time after both records were made; a chain's later link may well be the earlier merge."""
        line = self.rng.sample(ids, len(ids))
        found = {}
        for place, loser in enumerate(line[:-1]):
            if self.likely(0.14):
                nearby = line[place + 1 : place + 4]
                survivor = self.one_of(nearby)
                earliest = max(created[loser], created[survivor])
                later = [m for m in self.moments[loser] + self.moments[survivor] if m >= earliest]
                found[loser] = (self.one_of(later), survivor)
        return found

    def kept_on_file(self, who: str, created_at: datetime) -> None:
        for kind, shape in (("medical_alerts", alert_record), ("patient_cases", case_record)):
            for name in self.rng.sample(CONDITIONS, self.one_of((0, 0, 1, 2, 3))):
                made = created_at if self.likely(0.7) else self.moment(who)
                fields = self.ended(who, made, 0.2, ("archived_at",))
                self.records[kind].append(shape(self.new_id(), who, rfc3339(made), name, **fields))
        for _ in range(self.one_of((0, 0, 0, 1, 1, 2))):
            fields = self.ended(who, made := self.moment(who), 0.2, ("archived_at",))
            kind, received = self.one_of(("SMS", "Email", "Phone call", "Other")), self.likely(0.7)
            self.records["communications"].append(
                communication_record(self.new_id("c"), who, rfc3339(made), kind=kind, received=received, **fields)
            )
        for _ in range(self.one_of((0, 0, 0, 1, 1, 2))):
            fields = self.ended(who, made := self.moment(who), 0.2, ("archived_at",))
            attended_on = [self.calendar.local_date(starts) for _, starts in self.bookings[who]]
            around = self.one_of(attended_on or [self.end])
            due = around + timedelta(days=self.one_of((-1, 0, 1, 13, 14, 15, 30)))
            self.records["recalls"].append(
                recall_record(self.new_id("r"), who, rfc3339(made), due.isoformat(), **fields)
            )

    def ended(self, who: str, made: datetime, chance: float, keys: Sequence[str]) -> dict[str, Any]:
        """Possibly one of `keys` with a later moment, and `updated_at` as it then is."""
        if not self.likely(chance):
            return {}
        key, moment = self.one_of(keys), self.after(who, made)
        return {key: rfc3339(moment), "updated_at": rfc3339(max(moment, made))}

    # appointments

    def linked(self, type_id: str | None = None) -> dict:
        return appointment_links(
            type_id or self.one_of(("T1", "T2", "T3", "T4")), self.one_of(list(PRACTITIONERS)), "B1"
        )

    def booking_times(self, who: str) -> tuple[datetime, datetime]:
        """When a booking is entered and when it starts: usually ahead, sometimes after the visit."""
        if self.likely(0.2):
            starts = self.at(self.end + timedelta(days=self.one_of((0, 1, 2, 7, 29, 30, 31, 60))))
        else:
            starts = self.moment(who)
        ahead = timedelta(days=self.one_of((0, 0, 1, 2, 7, 14, 30, 60)), minutes=self.one_of((0, 0, 1, 45)))
        if self.likely(0.08):
            ahead = -timedelta(minutes=self.one_of((0, 1, 180, 3000)))
        return self.note(who, starts - ahead), starts

    def individual_appointments(self, who: str) -> None:
        created_at, starts_at = self.booking_times(who)
        if self.likely(0.15):  # a series booked in one second
            for week in range(self.one_of((2, 3, 4))):
                self.individual(who, created_at, starts_at + timedelta(weeks=week))
            return
        self.individual(who, created_at, starts_at)

    def individual(self, who: str, created_at: datetime, starts_at: datetime) -> None:
        self.bookings[who].append((created_at, starts_at))
        arrived, missed = self.marks(starts_at)
        ends = self.endings(who, created_at, starts_at)
        ident = self.new_id(self.one_of(("", "a")))
        updated_at = self.updated(created_at, starts_at, ends)
        begin, finish = rfc3339(starts_at), rfc3339(starts_at + timedelta(minutes=30))
        self.records["individual_appointments"].append(
            individual_record(
                ident,
                who,
                rfc3339(created_at),
                begin,
                finish,
                self.linked(),
                patient_arrived=arrived,
                did_not_arrive=missed,
                updated_at=updated_at,
                **ends,
            )
        )
        mark = True if arrived else False if missed else None
        self.records["attendees"].append(
            attendee_record(
                self.new_id("b"), ident, who, rfc3339(created_at), arrived=mark, updated_at=updated_at, **ends
            )
        )

    def marks(self, starts_at: datetime) -> tuple[bool | None, bool | None]:
        """Arrived, did not arrive: nothing before the start; afterwards either, none, or blank."""
        if starts_at > self.latest:
            return self.one_of(((None, None), (False, False)))
        return self.one_of(((True, False), (True, False), (False, True), (False, False), (None, None)))

    def endings(self, who: str, created_at: datetime, starts_at: datetime) -> dict[str, str]:
        """Cancelled before, at or after its start; archived or deleted, past or future."""
        ends = {}
        if self.likely(0.15):
            cancelled_at = self.one_of((created_at, starts_at, self.after(who, created_at), self.after(who, starts_at)))
            ends["cancelled_at"] = rfc3339(min(cancelled_at, self.latest))
        if self.likely(0.1):
            ends[self.one_of(("archived_at", "deleted_at"))] = rfc3339(self.after(who, created_at))
        return ends

    def updated(self, created_at: datetime, starts_at: datetime, ends: dict[str, str]) -> str:
        changed = [created_at, *(instant(end) for end in ends.values())]
        if starts_at <= self.latest:
            changed.append(starts_at)
        return rfc3339(max(changed))

    def group_appointment(self, ids: list[str]) -> None:
        places = [self.one_of(ids) for _ in range(self.one_of((0, 1, 2, 3, 5)))]  # one may come twice
        host = self.one_of(ids)
        created_at, starts_at = self.booking_times(host)
        ends = self.ended(host, created_at, 0.12, ("archived_at", "deleted_at"))
        ident = self.new_id(self.one_of(("", "g")))
        begin, finish = rfc3339(starts_at), rfc3339(starts_at + timedelta(minutes=30))
        group = class_record(ident, places, rfc3339(created_at), begin, finish, self.linked("T5"), **ends)
        self.records["group_appointments"].append(group)
        for who in places:
            entered = created_at if self.likely(0.4) else self.after(who, created_at)
            self.bookings[who].append((entered, starts_at))
            arrived, missed = self.marks(starts_at)
            own_ends = self.endings(who, entered, starts_at)
            self.records["attendees"].append(
                attendee_record(
                    self.new_id("b"),
                    ident,
                    who,
                    rfc3339(entered),
                    arrived=True if arrived else False if missed else None,
                    updated_at=self.updated(entered, starts_at, own_ends),
                    **own_ends,
                )
            )

    # outreach

    def attempt(self, who: str) -> None:
        began_at = self.attempt_start(who)
        naming = self.one_of(("all", "all", "none", "none", "later", "two", "reused"))
        attempt_id = "x-reused" if naming == "reused" else self.new_id("x")
        at = began_at
        for _ in range(self.one_of((1, 1, 2, 3))):
            self.message(who, at, naming, attempt_id)
            at += self.one_of(DELAYS)

    def attempt_start(self, who: str) -> datetime:
        """Often just before, at or 30 days before a booking was entered, or after a start."""
        if not self.bookings[who] or self.likely(0.4):
            return self.moment(who)
        created_at, starts_at = self.one_of(self.bookings[who])
        back = self.one_of((0, 1, 3600, 86400, 29 * 86400, 30 * 86400, 31 * 86400))
        later = timedelta(days=self.one_of((13, 14, 15, 45)))
        return self.note(who, self.one_of((created_at - timedelta(seconds=back), starts_at + later)))

    def message(self, who: str, began_at: datetime, naming: str, attempt_id: str) -> None:
        channel = self.one_of(list(OUTCOMES))
        outcomes = self.rng.sample(OUTCOMES[channel], self.one_of((1, 1, 2, 3, 4)))
        if self.likely(0.7):
            outcomes.sort(key=OUTCOMES[channel].index)  # else reported in any order
        message_id = "m-reused" if self.likely(0.05) else self.new_id("m")
        at = began_at
        for number, outcome in enumerate(outcomes):
            named = {
                "all": attempt_id,
                "reused": attempt_id,
                "later": attempt_id if number else None,
                "two": attempt_id if number % 2 else f"{attempt_id}b",
            }.get(naming)
            more = {"attempt_id": named} if named or self.likely(0.3) else {}
            if self.likely(0.2):
                more["reason"] = self.one_of((None, *REASONS))
            self.event(who, at, "outreach.outcome.v1", channel=channel, outcome=outcome, message_id=message_id, **more)
            if outcome == "appointment_booked" and self.likely(0.6):
                self.booked_by_phone(who, at)
            at += self.one_of(DELAYS)

    def booked_by_phone(self, who: str, at: datetime) -> None:
        day = self.calendar.local_date(at) + timedelta(days=self.one_of((-2, -1, 0, 0, 0, 1, 7, 8)))
        created_at = self.note(who, self.at(day))
        self.individual(who, created_at, created_at + timedelta(days=self.one_of((0, 1, 10, 40)), hours=1))

    def treatment(self, who: str) -> None:
        for _ in range(self.one_of((1, 2))):
            self.event(
                who, self.moment(who), "treatment.outcome.v1", outcome=self.one_of(("improved", "unchanged", "worse"))
            )

    def event(self, who: str, at: datetime, kind: str, **body: Any) -> None:
        at = min(at, self.latest)
        if self.likely(0.1):
            at += self.one_of((ONE_MICROSECOND, -ONE_MICROSECOND, timedelta(milliseconds=500)))
        event = {
            "specversion": "1.0",
            "id": self.new_id("e") if self.likely(0.9) else "e-reused",
            "source": self.one_of(SOURCES),
            "type": kind,
            "time": self.written(at),
            "data": {"organization_id": self.organization, "patient_id": who, **body},
        }
        if self.likely(0.8):
            event |= {"subject": who, "datacontenttype": "application/json"}
        if self.likely(0.2):
            event["data"] |= {"campaign": "winter", "staff": None}
        self.outreach.append(event)

    def written(self, at: datetime) -> str:
        """Nearly always in UTC ending in Z; any RFC 3339 offset means the same instant."""
        return rfc3339(at) if self.likely(0.9) else at.astimezone(self.calendar.zone).isoformat()

    def retold(self, event: dict) -> dict:
        """The same event again: word for word, at another time, or with other content."""
        again = {**event, "data": dict(event["data"])}
        told_at = instant(event["time"])
        changes: list[Callable[[], None]] = [
            lambda: None,
            lambda: again.update(time=self.written(told_at - self.one_of((timedelta(seconds=1), timedelta(days=1))))),
            lambda: again.update(time=self.written(min(told_at + self.one_of(DELAYS), self.latest))),
            lambda: again["data"].update(reason=self.one_of(REASONS)),
            lambda: again["data"].update(outcome=self.other_outcome(again["data"])),
        ]
        self.one_of(changes)()
        return again

    def other_outcome(self, body: dict) -> str:
        return self.one_of(OUTCOMES[body["channel"]]) if "channel" in body else "improved"
