"""The Pilates classes: on every week's timetable, booked in packs."""

from datetime import datetime, timedelta
from itertools import count

from support.demo_clinic.people import Person
from support.demo_clinic.practice import (
    BUSINESS,
    CLASS_LASTS,
    CLASS_SIZE,
    CLASSES,
    PILATES,
    day_of,
    is_closed,
    local,
)
from support.demo_clinic.story import AHEAD_DAYS, CANCELLED, MISSED, Story
from support.sandbox.clock import stamp

PACK = 5
_PLANNED_AHEAD = timedelta(days=56)


class Timetable:
    """All classes of the story's time, and who has a place in them."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._weekly: list[list[tuple[datetime, str]]] = [[] for _ in CLASSES]
        self._places: dict[str, int] = {}
        story.joins_classes = self.join
        for number, (weekday, at, practitioner) in enumerate(CLASSES):
            for offset in count():
                day = day_of(story.start) + timedelta(days=offset)
                starts = local(day, at)
                if starts > story.end + timedelta(days=AHEAD_DAYS):
                    break
                if day.weekday() == weekday and not is_closed(day):
                    self._weekly[number].append((starts, self._plan(starts, practitioner)))

    def _plan(self, starts: datetime, practitioner: str) -> str:
        planned_at = stamp(starts - _PLANNED_AHEAD)
        return self._story.clinic.create(
            "group_appointments",
            {
                "business_id": BUSINESS,
                "practitioner_id": practitioner,
                "appointment_type_id": PILATES,
                "starts_at": stamp(starts),
                "ends_at": stamp(starts + CLASS_LASTS),
                "max_attendees": CLASS_SIZE,
            },
            at=planned_at,
        )

    def join(self, person: Person) -> None:
        """Take a pack of places in one weekly class, all at once."""
        story, taken = self._story, 0
        weekly = story.rng.choice(self._weekly)
        soonest = story.now + timedelta(days=1)
        for starts, class_id in weekly:
            if taken < PACK and starts > soonest and self._places.get(class_id, 0) < CLASS_SIZE:
                taken += 1
                self._take(person, class_id, starts)

    def _take(self, person: Person, class_id: str, starts: datetime) -> None:
        story = self._story
        place = {"booking_id": class_id, "patient_id": person.id}
        attendee_id = story.clinic.create("attendees", place)
        self._places[class_id] = self._places.get(class_id, 0) + 1
        person.upcoming.add(attendee_id)
        fate = story.rng.random()
        if fate < CANCELLED:
            notice = (starts - story.now) * story.rng.random() ** 2
            story.at(starts - notice, lambda: self._give_up(person, class_id, attendee_id))
        else:
            missed = fate < CANCELLED + MISSED
            story.at(starts + CLASS_LASTS, lambda: self._mark(person, attendee_id, starts, missed))

    def _give_up(self, person: Person, class_id: str, attendee_id: str) -> None:
        person.upcoming.discard(attendee_id)
        if not person.away:
            self._places[class_id] -= 1
            self._story.clinic.cancel("attendees", attendee_id, reason=50, note=None)

    def _mark(self, person: Person, attendee_id: str, starts: datetime, missed: bool) -> None:
        story = self._story
        person.upcoming.discard(attendee_id)
        if person.away:
            return
        story.clinic.mark("attendees", attendee_id, arrived=not missed)
        if not missed:
            person.heard_from(starts)
        if not person.upcoming and story.rng.random() < 0.85:
            self.join(person)
