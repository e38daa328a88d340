"""What happens beside the visits: records made twice and merged, or put away; messages."""

from datetime import timedelta

from support.demo_clinic.practice import FOLLOW_UP
from support.demo_clinic.story import HISTORY_DAYS, Story
from support.sandbox.replies import reply

_MERGES = 3
_WORDS = ("Running ten minutes late, sorry", "See you tomorrow", "Is there parking nearby?", "Thanks!")


def make_duplicates(story: Story) -> None:
    """Let the desk make a few records twice, and merge each some weeks later."""
    for number in range(_MERGES):
        days = HISTORY_DAYS * (0.35 + 0.2 * number) + story.rng.uniform(0, 40)
        story.after(lambda: _make_duplicate(story), days=days)


def _make_duplicate(story: Story) -> None:
    known = [each for each in story.people if not each.away and each.last_contact is not None]
    person = story.rng.choice(known)
    twin = story.enrol(len(story.people) + 1000)
    on_file = story.clinic.records["patients"][person.id]
    copied = ("first_name", "last_name", "label", "email", "patient_phone_numbers", "date_of_birth")
    story.clinic.update("patients", twin.id, {name: on_file.get(name) for name in copied})

    def merge() -> None:
        if twin.away or person.away:
            return
        twin.away = True
        story.clinic.merge(twin.id, person.id)
        if not person.upcoming:
            story.book(person, FOLLOW_UP, days=story.rng.uniform(2, 9))

    story.after(merge, days=story.rng.uniform(15, 50))


def put_away(story: Story) -> None:
    """Let the practice look through its records every other month, and archive old ones."""
    for day in range(30, HISTORY_DAYS, 61):
        story.at(story.start + timedelta(days=day, hours=9), lambda: _put_away(story))


def _put_away(story: Story) -> None:
    for person in story.people:
        overlooked = person.id[-1] in "258"  # nobody's records are kept without a gap
        if person.days_without_contact(story.now) > 110 and not overlooked and story.rng.random() < 0.5:
            story.archive(person)


def send_replies(story: Story) -> None:
    """Let patients with a booking write to the practice now and then."""
    for day in range(HISTORY_DAYS):
        if story.rng.random() < 0.3:
            hour = story.rng.uniform(0, 10)
            story.at(story.start + timedelta(days=day, hours=hour), lambda: _write(story))


def _write(story: Story) -> None:
    writers = [each for each in story.people if each.upcoming and not each.away]
    if writers:
        writer = story.rng.choice(writers)
        writer.heard_from(story.now)
        reply(story.clinic, writer.id, content=story.rng.choice(_WORDS))
