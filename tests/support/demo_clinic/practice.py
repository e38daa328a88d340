"""The practice: who works when, what is offered, and which times are still free."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from support.sandbox.clinic import Clinic
from support.sandbox.clock import stamp

ZONE = ZoneInfo("Australia/Melbourne")

BUSINESS = "1809912345678600001"
PHYSIO_A, PHYSIO_B, PHYSIO_GONE = (f"18099123456786001{number:02}" for number in (1, 2, 3))
INITIAL, FOLLOW_UP, PILATES = (f"18099123456786002{number:02}" for number in (1, 2, 3))
MINUTES = {INITIAL: 60, FOLLOW_UP: 30}
RETURN_VISIT, ANNUAL_REVIEW = "1809912345678600301", "1809912345678600302"
BY_DOCTOR, BY_WORD_OF_MOUTH, BY_WEB, BY_OTHER = (f"18099123456786004{number:02}" for number in (1, 2, 3, 4))

_SLOT = 30  # minutes: the grid of the diary
_HOURS = {day: (time(8), time(18, 30)) for day in range(5)} | {5: (time(8, 30), time(12, 30))}
_LUNCH = (time(12, 30), time(13, 30))
# Weekly classes: weekday, hour, who takes them.
CLASSES = (
    (0, time(18, 30), PHYSIO_A),
    (1, time(7), PHYSIO_B),
    (2, time(12, 30), PHYSIO_A),
    (2, time(18, 30), PHYSIO_B),
    (3, time(7), PHYSIO_A),
    (4, time(12, 30), PHYSIO_B),
    (5, time(12, 30), PHYSIO_A),
)
CLASS_SIZE = 8
CLASS_LASTS = timedelta(hours=1)


def open_practice(clinic: Clinic, since: datetime) -> None:
    """Put the business, its people and what it offers on file, as of `since`."""
    at = stamp(since)
    stamps = {"created_at": at, "updated_at": at}
    clinic.load("businesses", [_business() | stamps])
    people = (
        (PHYSIO_A, "Robin", "Placeholder", True),
        (PHYSIO_B, "Alex", "Invented", True),
        (PHYSIO_GONE, "Sam", "Departed", False),
    )
    clinic.load(
        "practitioners",
        [
            {
                "id": each,
                **stamps,
                "active": active,
                "first_name": first,
                "last_name": last,
                "display_name": f"{first} {last}",
                "label": f"{first} {last}",
                "designation": "Physiotherapist",
                "default_appointment_type_id": FOLLOW_UP,
            }
            for each, first, last, active in people
        ],
    )
    offers = (
        (INITIAL, "Initial consultation", "Physiotherapy", 60, 1, "#3366FF"),
        (FOLLOW_UP, "Follow-up consultation", "Physiotherapy", 30, 1, "#33AA66"),
        (PILATES, "Clinical Pilates class", "Classes", 60, CLASS_SIZE, "#AA33AA"),
    )
    clinic.load(
        "appointment_types",
        [
            {
                "id": each,
                **stamps,
                "name": name,
                "category": category,
                "duration_in_minutes": minutes,
                "max_attendees": most,
                "color": color,
            }
            for each, name, category, minutes, most, color in offers
        ],
    )
    recalls = ((RETURN_VISIT, "Return visit"), (ANNUAL_REVIEW, "Annual review"))
    clinic.load("recall_types", [{"id": each, **stamps, "name": name} for each, name in recalls])
    sources: tuple[tuple[str, str, str | None, list[str]], ...] = (
        (BY_DOCTOR, "GP referral", "Contact", []),
        (BY_WORD_OF_MOUTH, "Word of mouth", "Patient", []),
        (BY_WEB, "Web", None, ["Search engine", "Social media", "Directory"]),
        (BY_OTHER, "Other", None, []),
    )
    clinic.load(
        "referral_source_types",
        [
            {"id": each, **stamps, "name": name, "referrer_type": referrer, "subcategories": kinds}
            for each, name, referrer, kinds in sources
        ],
    )


def _business() -> dict[str, object]:
    return {
        "id": BUSINESS,
        "business_name": "Sample Street Physiotherapy",
        "label": "Sample Street Physiotherapy",
        "address_1": "1 Sample Street",
        "city": "Nowhereville",
        "state": "VIC",
        "post_code": "3999",
        "time_zone": "Melbourne",
        "time_zone_identifier": ZONE.key,
        "email_reply_to": "clinic@example.com",
        "website_address": "https://clinic.example.com",
        "appointment_type_ids": [INITIAL, FOLLOW_UP, PILATES],
    }


def local(day: date, at: time) -> datetime:
    """Return the instant of a local time of day, in UTC."""
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def day_of(instant: datetime) -> date:
    """Return the local day of an instant."""
    return instant.astimezone(ZONE).date()


def is_closed(day: date) -> bool:
    """Say whether the practice is shut: on Sundays and between Christmas and New Year."""
    return day.weekday() == 6 or (day.month, day.day) >= (12, 24) or (day.month, day.day) == (1, 1)


class Diary:
    """Which times are taken, per practitioner."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._taken: set[tuple[str, datetime]] = set()

    def take(self, practitioner: str, not_before: date, *, minutes: int, prefers: str) -> datetime:
        """Take a free time on the first day from `not_before` that has one, and return its start.

        Most get the part of the day that they prefer.
        """
        day = not_before
        while True:
            free = [] if is_closed(day) else self._free(practitioner, day, minutes)
            liked = [each for each in free if _part(each) == prefers]
            if free:
                start = self._rng.choice(liked if liked and self._rng.random() < 0.75 else free)
                for step in range(0, minutes, _SLOT):
                    self._taken.add((practitioner, start + timedelta(minutes=step)))
                return start
            day += timedelta(days=1)

    def block(self, practitioner: str, start: datetime, end: datetime) -> None:
        """Take a time that is known to be in use."""
        while start < end:
            self._taken.add((practitioner, start))
            start += timedelta(minutes=_SLOT)

    def give_back(self, practitioner: str, start: datetime, *, minutes: int) -> None:
        """Free the time of a cancelled appointment."""
        for step in range(0, minutes, _SLOT):
            self._taken.discard((practitioner, start + timedelta(minutes=step)))

    def _free(self, practitioner: str, day: date, minutes: int) -> list[datetime]:
        opens, closes = _HOURS[day.weekday()]
        lunch = tuple(local(day, each) for each in _LUNCH)
        start, end, found = local(day, opens), local(day, closes), []
        length = timedelta(minutes=minutes)
        while start + length <= end:
            at_lunch = start < lunch[1] and start + length > lunch[0] and day.weekday() != 5
            steps = range(0, minutes, _SLOT)
            if not at_lunch and all(
                (practitioner, start + timedelta(minutes=step)) not in self._taken for step in steps
            ):
                found.append(start)
            start += timedelta(minutes=_SLOT)
        return found


def _part(start: datetime) -> str:
    hour = start.astimezone(ZONE).hour
    return "morning" if hour < 12 else "afternoon" if hour < 17 else "evening"
