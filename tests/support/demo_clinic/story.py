"""What happened at the practice: patients come, book, attend, cancel, stay away and come back."""

import heapq
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import count
from random import Random
from typing import Any

from support.demo_clinic.intake import SOURCE_NAMES, any_source, put_on_file
from support.demo_clinic.people import Person, channels_of, fields_of_somebody
from support.demo_clinic.practice import (
    BUSINESS,
    FOLLOW_UP,
    INITIAL,
    MINUTES,
    PHYSIO_A,
    PHYSIO_B,
    PHYSIO_GONE,
    RETURN_VISIT,
    Diary,
    day_of,
    is_closed,
    local,
    open_practice,
)
from support.sandbox.clinic import Clinic
from support.sandbox.clock import stamp

HISTORY_DAYS = 548
AHEAD_DAYS = 42
# Of all bookings; published rates of physiotherapy practices lie around these.
MISSED, CANCELLED = 0.07, 0.12
_UNMARKED = 0.07
_HABITS = {"course": 34, "maintenance": 30, "pilates": 16, "dropout": 20}
_OUTCOMES = {"improved": 52, "resolved": 30, "stable": 14, "referred on": 4}

Action = Callable[[], object]
Hook = Callable[[Person], None]


class Story:
    """The life of the practice, told event by event up to the beginning of `today`.

    `now` is the instant being told; whatever a step does to the clinic bears it.
    """

    def __init__(self, seed: int, today: date) -> None:
        self.rng = Random(seed)
        self.end = local(today, time(0))
        self.start = local(today - timedelta(days=HISTORY_DAYS), time(8))
        self.now = self.start
        self.today = today
        self.clinic = Clinic("demo", clock=lambda: self.now)
        self.diary = Diary(self.rng)
        self.people: list[Person] = []
        self.outcomes: list[tuple[datetime, str, str]] = []
        """When a course of treatment ended, whose, and how."""
        self.joins_classes: Hook = lambda person: None
        self._queue: list[tuple[datetime, int, Action]] = []
        self._order = count()
        open_practice(self.clinic, self.start - timedelta(days=900))

    def at(self, when: datetime, action: Action) -> None:
        """Let something happen at an instant, not before now."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), action))

    def after(self, action: Action, **span: float) -> None:
        """Let something happen after a span of time."""
        self.at(self.now + timedelta(**span), action)

    def tell(self) -> None:
        """Let everything happen whose time is before the end."""
        while self._queue and self._queue[0][0] < self.end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = self.end

    def invite(self, patients: int) -> None:
        """Plan when the patients come for the first time: a third are there from the beginning."""
        early = patients // 3
        for number in range(patients):
            days = self.rng.uniform(0, 60) if number < early else self.rng.uniform(0, HISTORY_DAYS)
            day = day_of(self.start) + timedelta(days=int(days))
            while is_closed(day):
                day += timedelta(days=1)
            at = local(day, time(8)) + timedelta(minutes=self.rng.uniform(0, 560))
            self.at(at, partial(self.enrol, number))

    def enrol(self, number: int) -> Person:
        """A new patient rings: the record is made, with what they tell, and a first visit booked."""
        rng = self.rng
        fields = fields_of_somebody(rng, number, self.today)
        source = any_source(rng)
        patient_id = self.clinic.create("patients", fields | {"referral_source": SOURCE_NAMES[source]})
        before = (self.now - self.start).days < 120
        doctors = (PHYSIO_A, PHYSIO_B, PHYSIO_GONE) if before else (PHYSIO_A, PHYSIO_B)
        habit = rng.choices(list(_HABITS), weights=list(_HABITS.values()))[0]
        person = Person(
            id=patient_id,
            first_name=fields["first_name"],
            created_at=self.now,
            practitioner=rng.choice(doctors),
            habit=habit,
            prefers=rng.choices(("morning", "afternoon", "evening"), weights=(45, 35, 20))[0],
            channels=channels_of(fields),
            visits_left=rng.randint(1, 3) if habit == "dropout" else rng.randint(4, 10),
            gap_days=rng.choice((5, 7, 7, 7, 10, 14)),
        )
        self.people.append(person)
        person.case_id = put_on_file(self.clinic, rng, patient_id, source, self.people)
        self.book(person, INITIAL, days=rng.uniform(0.5, 5))
        return person

    def book(self, person: Person, kind: str, *, days: float, series: dict[str, Any] | None = None) -> str:
        """Book an appointment about so many days ahead, decide its fate, and return its id."""
        minutes = MINUTES[kind]
        wanted = max(day_of(self.now) + timedelta(days=1), day_of(self.now + timedelta(days=days)))
        if person.practitioner == PHYSIO_GONE and (self.now - self.start).days > 110:
            person.practitioner = self.rng.choice((PHYSIO_A, PHYSIO_B))
        starts = self.diary.take(person.practitioner, wanted, minutes=minutes, prefers=person.prefers)
        reminded = self.rng.random() < 0.6
        booked = {
            "patient_id": person.id,
            "business_id": BUSINESS,
            "practitioner_id": person.practitioner,
            "appointment_type_id": kind,
            "starts_at": stamp(starts),
            "ends_at": stamp(starts + timedelta(minutes=minutes)),
            "sms_reminder_sent": reminded and starts < self.end,
        }
        if person.case_id is not None and self.rng.random() < 0.8:
            booked["patient_case_id"] = person.case_id
        appointment_id = self.clinic.create("individual_appointments", booked | (series or {}))
        person.upcoming.add(appointment_id)
        fate = self.rng.random()
        if fate < CANCELLED:
            # Most call it off late: the square leans towards the start.
            notice = (starts - self.now) * self.rng.random() ** 2
            self.at(starts - notice, lambda: self._call_off(person, appointment_id, starts, minutes))
        elif fate < CANCELLED + MISSED:
            self.at(starts + timedelta(minutes=20), lambda: self._miss(person, appointment_id))
        else:
            ends = starts + timedelta(minutes=minutes)
            self.at(ends, lambda: self._attend(person, appointment_id, starts))
        return appointment_id

    def _call_off(self, person: Person, appointment_id: str, starts: datetime, minutes: int) -> None:
        if person.away:
            return
        reason = self.rng.choice((10, 20, 30, 30, 40, 50, 50, 60))
        note = self.rng.choice((None, None, "Rang this morning", "Will call back"))
        self.clinic.cancel("individual_appointments", appointment_id, reason=reason, note=note)
        self.diary.give_back(person.practitioner, starts, minutes=minutes)
        person.upcoming.discard(appointment_id)
        if not person.upcoming and self.rng.random() < 0.62:
            self.book(person, FOLLOW_UP, days=self.rng.uniform(2, 9))

    def _miss(self, person: Person, appointment_id: str) -> None:
        person.upcoming.discard(appointment_id)
        if person.away:
            return
        self.clinic.mark("individual_appointments", appointment_id, arrived=False)
        if not person.upcoming and self.rng.random() < 0.35:
            self.after(lambda: self.book_unless_booked(person), days=self.rng.uniform(1, 6))

    def _attend(self, person: Person, appointment_id: str, starts: datetime) -> None:
        person.upcoming.discard(appointment_id)
        if person.away:
            return
        if self.rng.random() >= _UNMARKED:
            self.clinic.mark("individual_appointments", appointment_id, arrived=True)
        person.heard_from(starts)
        person.visits_left -= 1
        if not person.upcoming:
            self._what_next(person)

    def _what_next(self, person: Person) -> None:
        """After a visit with nothing booked: on with the course, on to classes, or the end of it."""
        rng = self.rng
        if person.habit == "pilates" and person.visits_left <= 4:
            self.joins_classes(person)
        elif person.visits_left <= 0:
            self._discharge(person)
        elif rng.random() < 0.8:
            self._book_on(person)
        elif rng.random() < 0.4:
            self.after(lambda: self.book_unless_booked(person), days=rng.uniform(3, 15))
        else:
            self._may_return(person)

    def _book_on(self, person: Person) -> None:
        """Book the next visit at the desk, or the rest of the course at once."""
        rng, gap = self.rng, person.gap_days
        if person.visits_left >= 4 and rng.random() < 0.3:
            repeats = {"number_of_repeats": 3, "repeat_type": "Weekly", "repeating_interval": 1}
            first = self.book(person, FOLLOW_UP, days=gap, series={"repeat_rule": repeats})
            for turn in (2, 3, 4):
                self.book(person, FOLLOW_UP, days=gap * turn, series={"repeated_from_id": first})
        else:
            self.book(person, FOLLOW_UP, days=gap + rng.uniform(-1, 3))

    def book_unless_booked(self, person: Person) -> None:
        """Book a follow-up for somebody who rings, if nothing is booked."""
        if not person.away and not person.upcoming:
            self.book(person, FOLLOW_UP, days=self.rng.uniform(1, 9))

    def _discharge(self, person: Person) -> None:
        """A course ends: regulars go on at longer gaps, others may be recalled or come back."""
        rng = self.rng
        if person.habit == "maintenance":
            person.visits_left, person.gap_days = rng.randint(4, 12), rng.choice((14, 21, 28, 28, 35))
            self._book_on(person)
            return
        if person.habit != "dropout":
            outcome = rng.choices(list(_OUTCOMES), weights=list(_OUTCOMES.values()))[0]
            self.outcomes.append((self.now, person.id, outcome))
            if person.case_id is not None:
                closed = {"closed": True, "closed_at": stamp(self.now)}
                self.clinic.update("patient_cases", person.case_id, closed)
        if rng.random() < 0.35:
            due = day_of(self.now) + timedelta(days=rng.choice((28, 42, 56, 84)))
            recall = {"patient_id": person.id, "recall_type_id": RETURN_VISIT, "recall_at": due.isoformat()}
            self.clinic.create("recalls", recall)
        self._may_return(person)

    def _may_return(self, person: Person) -> None:
        """Some come back by themselves, some are archived, most just stay away."""
        rng = self.rng
        fate = rng.random()
        if fate < 0.3:
            person.visits_left = max(person.visits_left, rng.randint(2, 5))
            self.after(lambda: self.book_unless_booked(person), days=rng.uniform(20, 150))
        elif fate < 0.5:
            self.after(lambda: self.archive(person), days=rng.uniform(60, 180))

    def archive(self, person: Person) -> None:
        """Put a record away if its patient has been gone for a while."""
        if not person.away and not person.upcoming and person.days_without_contact(self.now) > 45:
            self.clinic.archive("patients", person.id)
            person.away = True
