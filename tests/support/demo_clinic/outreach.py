"""What the practice's outreach program did: attempts over channels, and what came of them."""

from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from support.demo_clinic.people import Person
from support.demo_clinic.practice import FOLLOW_UP, day_of, is_closed, local
from support.demo_clinic.story import HISTORY_DAYS, Story
from support.sandbox.clock import stamp
from support.sandbox.replies import reply

SOURCE = "/demo-crm"
_MOST_PER_DAY = 7
_STAFF = ("front-desk-1", "front-desk-2")
_FIRST_TRY = {"sms": 50, "email": 24, "phone": 26}
_REPLIES = (
    "Yes please, mornings are best", "Thanks, will call tomorrow", "Can you fit me in next week?",
    "Feeling much better, but happy to check in", "Please ring me after 5",
)  # fmt: skip


def campaign(days: int) -> str:
    """Return the campaign for somebody not heard from for so many days."""
    return "we-miss-you" if days >= 45 else "follow-up" if days >= 30 else "check-in"


def event(number: int, at: datetime, organization_id: str, **told: Any) -> dict[str, Any]:
    """Return an outreach event as a CloudEvent; what is None is left out."""
    return {
        "specversion": "1.0",
        "id": f"demo-e{number:06}",
        "source": SOURCE,
        "type": "outreach.outcome.v1",
        "time": stamp(at),
        "subject": told["patient_id"],
        "datacontenttype": "application/json",
        "data": {
            "organization_id": organization_id,
            **{name: value for name, value in told.items() if value is not None},
        },
    }


class Outreach:
    """Finds those who stay away every working day, and tries to reach them."""

    def __init__(self, story: Story, organization_id: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._story = story
        self._organization_id = organization_id
        self._attempts = 0
        self._messages = 0
        first = day_of(story.end) - timedelta(days=HISTORY_DAYS)
        for offset in range(HISTORY_DAYS):
            day = first + timedelta(days=offset)
            if day.weekday() < 5 and not is_closed(day):
                story.at(local(day, time(9, 30)), self._work_list)

    def _work_list(self) -> None:
        story, now = self._story, self._story.now
        waiting = [person for person in story.people if self._is_due(person, now)]
        story.rng.shuffle(waiting)
        for person in waiting[: story.rng.randint(_MOST_PER_DAY - 4, _MOST_PER_DAY)]:
            story.after(partial(self._try, person), hours=story.rng.uniform(0, 6))

    def _is_due(self, person: Person, now: datetime) -> bool:
        if person.away or person.upcoming or not person.channels:
            return False
        days = person.days_without_contact(now)
        rested = person.last_tried is None or (now - person.last_tried).days >= 9
        return 14 <= days <= 330 and rested and person.attempts_since_contact < 4

    def _try(self, person: Person) -> None:
        """Begin an attempt: one channel after the other until somebody answers."""
        story = self._story
        person.last_tried = story.now
        person.attempts_since_contact += 1
        self._attempts += 1
        known = [each for each in _FIRST_TRY if each in person.channels]
        first = story.rng.choices(known, weights=[_FIRST_TRY[each] for each in known])[0]
        others = [each for each in known if each != first]
        story.rng.shuffle(others)
        plan = [first, *others[: story.rng.choices((0, 1, 2), weights=(50, 35, 15))[0]]]
        days = person.days_without_contact(story.now)
        self._send(person, f"demo-a{self._attempts:05}", campaign(days), plan)

    def _send(self, person: Person, attempt: str, named: str, plan: list[str]) -> None:
        if person.away or person.upcoming or not plan or plan[0] not in person.channels:
            return
        self._messages += 1
        story, channel = self._story, plan[0]
        staff = story.rng.choice(_STAFF) if channel == "phone" else None
        told = {
            "patient_id": person.id,
            "channel": channel,
            "message_id": f"demo-m{self._messages:05}",
            "attempt_id": attempt,
            "campaign": named,
            "staff": staff,
        }
        self._tell(told, "attempted" if channel == "phone" else "sent")
        answered = {"sms": self._sms, "email": self._email, "phone": self._call}[channel](person, told)
        if not answered and len(plan) > 1:
            story.after(lambda: self._send(person, attempt, named, plan[1:]), hours=story.rng.choice((22, 26, 47)))

    def _sms(self, person: Person, told: dict[str, Any]) -> bool:
        story, fate = self._story, self._story.rng.random()
        if fate < 0.045:
            self._later(told, "failed", minutes=1, reason="number unreachable")
            return False
        self._later(told, "delivered", seconds=story.rng.uniform(4, 90))
        if fate < 0.06:
            self._opt_out(person, told)
            return True
        if fate < 0.42:
            self._answer(person, told, "SMS", hours=story.rng.expovariate(1 / 5))
            return True
        return False

    def _email(self, person: Person, told: dict[str, Any]) -> bool:
        story, fate = self._story, self._story.rng.random()
        if fate < 0.035:
            self._later(told, "bounced", minutes=2, reason="mailbox unavailable")
            return False
        self._later(told, "delivered", seconds=story.rng.uniform(10, 300))
        if fate < 0.045:
            self._opt_out(person, told)
            return True
        if fate > 0.6:
            return False
        opened = story.rng.expovariate(1 / 6)
        self._later(told, "opened", hours=opened)
        if fate < 0.35:
            self._later(told, "clicked", hours=opened + 0.05)
        if fate < 0.28:
            self._answer(person, told, "Email", hours=opened + story.rng.expovariate(1 / 3))
            return True
        return False

    def _call(self, person: Person, told: dict[str, Any]) -> bool:
        story, fate = self._story, self._story.rng.random()
        if fate < 0.34:
            self._later(told, "no_answer", minutes=1)
        elif fate < 0.5:
            self._later(told, "voicemail", minutes=1)
        elif fate < 0.525:
            self._later(told, "failed", minutes=1, reason="number not in service")
        else:
            story.after(lambda: self._connect(person, told, books=fate > 0.78), minutes=1)
            return True
        return False

    def _connect(self, person: Person, told: dict[str, Any], *, books: bool) -> None:
        story = self._story
        self._tell(told, "connected")
        person.heard_from(story.now)
        if books and not person.away and not person.upcoming:
            self._later(told, "appointment_booked", minutes=4)
            story.after(lambda: self._book(person), minutes=story.rng.uniform(4.5, 9))
        elif story.rng.random() < 0.25:
            story.after(lambda: self._book(person), days=story.rng.uniform(1, 9))

    def _answer(self, person: Person, told: dict[str, Any], kind: str, *, hours: float) -> None:
        """They answer; some of it is filed in Cliniko, too, and most of them book."""
        story = self._story

        def answer() -> None:
            self._tell(told, "responded")
            if person.away:
                return
            person.heard_from(story.now)
            if story.rng.random() < 0.3:
                reply(story.clinic, person.id, kind=kind, content=story.rng.choice(_REPLIES))
            if story.rng.random() < 0.66:
                story.after(lambda: self._book(person), hours=story.rng.expovariate(1 / 9))

        story.after(answer, hours=hours)

    def _book(self, person: Person) -> None:
        story = self._story
        if not person.away and not person.upcoming:
            person.visits_left = max(person.visits_left, story.rng.randint(1, 4))
            story.book(person, FOLLOW_UP, days=story.rng.uniform(1, 8))

    def _opt_out(self, person: Person, told: dict[str, Any]) -> None:
        def opt_out() -> None:
            self._tell(told, "opted_out", reason="asked to stop")
            person.channels.discard(told["channel"])

        self._story.after(opt_out, hours=self._story.rng.uniform(0.1, 5))

    def _later(self, told: dict[str, Any], outcome: str, reason: str | None = None, **span: float) -> None:
        self._story.after(partial(self._tell, told, outcome, reason), **span)

    def _tell(self, told: dict[str, Any], outcome: str, reason: str | None = None) -> None:
        number = len(self.events) + 1
        at = self._story.now
        said = {**told, "outcome": outcome, "reason": reason}
        self.events.append(event(number, at, self._organization_id, **said))
