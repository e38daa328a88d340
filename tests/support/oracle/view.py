"""The world as its dated fields stood at T: everything later is cut away here, nowhere else."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from support.oracle.facts import (
    Appointment,
    Communication,
    Condition,
    Event,
    Facts,
    Patient,
    Recall,
    Treatment,
)
from support.oracle.times import Calendar


def exists(fact: Patient | Appointment, at: datetime) -> bool:
    """ "exists from its `created_at` until it is archived or deleted"."""
    return fact.created_at <= at and (fact.gone_at is None or fact.gone_at > at)


def cancelled(appointment: Appointment, at: datetime) -> bool:
    """ "an appointment is cancelled from its `cancelled_at`"."""
    return appointment.cancelled_at is not None and appointment.cancelled_at <= at


def merged_away(patient: Patient, at: datetime) -> bool:
    """ "a merge holds from `merged_at`"."""
    return patient.merged_at is not None and patient.merged_at <= at


def in_scope(patient: Patient, at: datetime) -> bool:
    """ "exists as of T, not merged away"."""
    return exists(patient, at) and not merged_away(patient, at)


@dataclass(slots=True)
class Known:
    """One patient as of `at`: the own record, and the facts of it and of all merged into it."""

    patient: Patient
    at: datetime
    calendar: Calendar
    settings: dict
    appointments: list[Appointment]  # existing at T, cancelled ones included
    communications: list[Communication]
    recalls: list[Recall]
    events: list[Event]  # in order of time
    treatments: list[Treatment]
    alerts: list[Condition]  # the patient's own
    cases: list[Condition]
    memo: dict = field(default_factory=dict)  # lets a definition be worked out once per view

    def once(self, definition: Callable):
        if definition not in self.memo:
            self.memo[definition] = definition(self)
        return self.memo[definition]

    @property
    def today(self) -> date:
        return self.calendar.local_date(self.at)


class View:
    """All patients as of `at`."""

    def __init__(self, facts: Facts, settings: dict, calendar: Calendar, at: datetime) -> None:
        self.facts, self.settings, self.calendar, self.at = facts, settings, calendar, at
        self.merged_into: dict[str, list[str]] = defaultdict(list)
        for patient in facts.patients.values():
            if merged_away(patient, at):
                self.merged_into[self.survivor(patient)].append(patient.id)

    def survivor(self, patient: Patient) -> str:
        """ "(chains are followed)": only merges that hold at T; a loop ends where it began."""
        seen = set()
        who = patient.id
        while who not in seen:
            seen.add(who)
            record = self.facts.patients.get(who)
            if record is None or not merged_away(record, self.at) or not record.merged_with:
                return who
            who = record.merged_with
        return who

    def known(self, patient: Patient) -> Known:
        facts, at = self.facts, self.at
        # "from then on all appointments, communications, recalls and events of the merged
        # patient are the survivor's, whose own contact record stands alone"
        ids = [patient.id, *self.merged_into.get(patient.id, ())]

        def of(held: dict) -> list:
            if len(ids) == 1:
                return held.get(patient.id, [])
            return [fact for who in ids for fact in held.get(who, [])]

        return Known(
            patient=patient,
            at=at,
            calendar=self.calendar,
            settings=self.settings,
            appointments=[a for a in of(facts.appointments) if exists(a, at)],
            communications=[c for c in of(facts.communications) if c.created_at <= at],
            recalls=[r for r in of(facts.recalls) if r.created_at <= at],
            events=sorted((e for e in of(facts.events) if e.time <= at), key=lambda e: (e.time, e.identity)),
            treatments=[t for t in of(facts.treatments) if t.time <= at],
            alerts=[c for c in facts.alerts.get(patient.id, []) if c.gone_at is None],
            cases=[c for c in facts.cases.get(patient.id, []) if c.gone_at is None],
        )

    def walk(self) -> Iterator[Known]:
        """Every patient record created by T and not merged away, archived ones included, by id."""
        for _, patient in sorted(self.facts.patients.items()):
            if patient.created_at <= self.at and not merged_away(patient, self.at):
                yield self.known(patient)

    @cached_property
    def everyone(self) -> list[Known]:
        return list(self.walk())

    @property
    def in_scope(self) -> list[Known]:
        """ "All counts are over patients in scope." """
        return [k for k in self.everyone if in_scope(k.patient, self.at)]
