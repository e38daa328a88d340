"""How the practice goes on while it is being served: one small change after the other."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

from support.demo_clinic.intake import SOURCE_NAMES, any_source, put_on_file
from support.demo_clinic.people import fields_of_somebody
from support.demo_clinic.practice import BUSINESS, FOLLOW_UP, INITIAL, MINUTES, PHYSIO_A, PHYSIO_B, Diary, day_of
from support.demo_clinic.story import MISSED
from support.sandbox.clinic import Clinic
from support.sandbox.clock import Clock, instant_of, stamp
from support.sandbox.replies import reply
from support.sandbox.schema import Fields

PAUSE_SECONDS = (30.0, 90.0)
_MARKED_WITHIN = timedelta(days=2)
_MARK_FIRST = 0.6
_WORDS = ("Yes please", "Can I come on Thursday instead?", "Thanks for checking in", "Please call me")


class Drift:
    """Changes a clinic step by step, the same way for the same seed and the same instants."""

    def __init__(self, clinic: Clinic, *, clock: Clock, seed: int = 1) -> None:
        self._clinic = clinic
        self._clock = clock
        self._rng = Random(seed)
        self._left_unmarked: set[str] = set()
        self._newcomers = 0
        self._diary = Diary(self._rng)
        for each in clinic.records["individual_appointments"].values():
            if each.get("cancelled_at") is None and each["starts_at"] >= clinic.now():
                self._diary.block(each["practitioner_id"], instant_of(each["starts_at"]), instant_of(each["ends_at"]))

    def step(self) -> str:
        """Make one change at the present instant and say which."""
        due = self._unmarked()
        if due is not None and self._rng.random() < _MARK_FIRST:
            return self._mark(due)
        choices = (self._book, self._write, self._call_off, self._enrol)
        return self._rng.choices(choices, weights=(45, 25, 15, 15))[0]()

    async def go_on(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Change the clinic about once a minute, until cancelled."""
        while True:
            await sleep(self._rng.uniform(*PAUSE_SECONDS))
            self.step()

    def _unmarked(self) -> str | None:
        """Return a recently ended appointment that nobody has marked, None if there is none."""
        now, since = self._clinic.now(), stamp(self._clock() - _MARKED_WITHIN)
        for appointment_id, each in self._clinic.records["individual_appointments"].items():
            ended = since < each["ends_at"] <= now and each["created_at"] <= each["starts_at"]
            marked = each.get("patient_arrived") or each.get("did_not_arrive")
            gone = each.get("cancelled_at") or each.get("archived_at")
            if ended and not marked and not gone and appointment_id not in self._left_unmarked:
                return appointment_id
        return None

    def _mark(self, appointment_id: str) -> str:
        fate = self._rng.random()
        if fate > 0.95:
            self._left_unmarked.add(appointment_id)
            return "left unmarked"
        arrived = fate > MISSED
        self._clinic.mark("individual_appointments", appointment_id, arrived)
        return "arrived" if arrived else "missed"

    def _patients(self, *, booked: bool) -> list[Fields]:
        now = self._clinic.now()
        expected = {
            each.get("patient_id")
            for each in self._clinic.records["individual_appointments"].values()
            if each["starts_at"] > now and not each.get("cancelled_at")
        }
        return [
            each
            for each in self._clinic.records["patients"].values()
            if each.get("archived_at") is None and (each["id"] in expected) is booked
        ]

    def _book(self) -> str:
        candidates = self._patients(booked=False)
        if not candidates:
            return self._enrol()
        self._take(self._rng.choice(candidates)["id"], FOLLOW_UP)
        return "booked"

    def _take(self, patient_id: str, kind: str) -> None:
        minutes, practitioner = MINUTES[kind], self._rng.choice((PHYSIO_A, PHYSIO_B))
        day = day_of(self._clock() + timedelta(days=self._rng.uniform(1, 9)))
        starts = self._diary.take(practitioner, day, minutes=minutes, prefers="morning")
        self._clinic.create(
            "individual_appointments",
            {
                "patient_id": patient_id,
                "business_id": BUSINESS,
                "practitioner_id": practitioner,
                "appointment_type_id": kind,
                "starts_at": stamp(starts),
                "ends_at": stamp(starts + timedelta(minutes=minutes)),
            },
        )

    def _call_off(self) -> str:
        now = self._clinic.now()
        ahead = [
            appointment_id
            for appointment_id, each in self._clinic.records["individual_appointments"].items()
            if each["starts_at"] > now and not each.get("cancelled_at") and not each.get("archived_at")
        ]
        if not ahead:
            return self._book()
        self._clinic.cancel("individual_appointments", self._rng.choice(ahead), reason=30, note=None)
        return "cancelled"

    def _write(self) -> str:
        candidates = self._patients(booked=True) or self._patients(booked=False)
        if not candidates:
            return self._enrol()
        reply(self._clinic, self._rng.choice(candidates)["id"], content=self._rng.choice(_WORDS))
        return "replied"

    def _enrol(self) -> str:
        self._newcomers += 1
        number, source = 2000 + self._newcomers, any_source(self._rng)
        fields = fields_of_somebody(self._rng, number, day_of(self._clock()))
        patient_id = self._clinic.create("patients", fields | {"referral_source": SOURCE_NAMES[source]})
        put_on_file(self._clinic, self._rng, patient_id, source, ())
        self._take(patient_id, INITIAL)
        return "enrolled"
