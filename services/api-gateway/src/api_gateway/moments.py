"""Which instant `as_of` means: an RFC 3339 time stamp, the end of a plain local day, or now."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rules.calendar import calendar
from rules.instants import FIRST_YEAR, LAST_YEAR, SECOND, from_datetime, to_datetime

MAX_INSTANT_TEXT = 64

_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+\- ])([0-9]{2}):([0-9]{2}))"
)
_LEAP_SECOND = 60
_LAST_HOUR, _LAST_MINUTE = 23, 59

NOT_A_DAY = f"must be a day as YYYY-MM-DD, of the years {FIRST_YEAR} to {LAST_YEAR}"
NOT_A_MOMENT = f"must be an RFC 3339 time stamp or a day as YYYY-MM-DD, of the years {FIRST_YEAR} to {LAST_YEAR}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What `as_of` asked for: an instant (microseconds since the epoch), or a plain day."""

    instant: int | None = None
    day: date | None = None

    @property
    def text(self) -> str:
        """The same text for the same moment, however it was written."""
        return str(self.day) if self.day else str(self.instant)


def parse_day(text: str) -> date:
    """The day that YYYY-MM-DD names; ValueError when it names none of our years."""
    match = _DAY.fullmatch(text)
    if not match or not FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        raise ValueError(NOT_A_DAY)
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise ValueError(NOT_A_DAY) from None


def parse_moment(text: str) -> Moment:
    """The moment of an `as_of` parameter; ValueError when it is none.

    A plus sign that was not percent-encoded arrives as a space, and is read as the plus sign.
    Digits beyond microseconds are cut off; a leap second is the last microsecond before it.
    """
    if _DAY.fullmatch(text):
        return Moment(day=_in(text))
    match = _INSTANT.fullmatch(text[: MAX_INSTANT_TEXT + 1])
    if not match or len(text) > MAX_INSTANT_TEXT:
        raise ValueError(NOT_A_MOMENT)
    day, time, second, fraction, sign, hours, minutes = match.groups()
    try:
        micros = int((fraction or "")[:6].ljust(6, "0"))
        if int(second) == _LEAP_SECOND:
            second, micros = "59", SECOND - 1
        local = datetime.fromisoformat(f"{day}T{time}:{second}+00:00")
        instant = from_datetime(local - _offset(sign, hours, minutes)) + micros
        year = to_datetime(instant).year
    except (ValueError, OverflowError):
        raise ValueError(NOT_A_MOMENT) from None
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(NOT_A_MOMENT)
    return Moment(instant=instant)


def resolve(moment: Moment | None, *, time_zone: str, now: int) -> int:
    """The instant of an answer.

    A plain day is its last microsecond in the organization's zone; the day that is today there,
    and no moment at all, are now.
    """
    if moment is None:
        return now
    if moment.day is None:
        assert moment.instant is not None
        return moment.instant
    days = calendar(time_zone)
    ordinal = moment.day.toordinal()
    return now if days.day(now) == ordinal else days.end(ordinal)


def _in(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError:
        raise ValueError(NOT_A_MOMENT) from None


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    if sign is None or hours is None or minutes is None:
        return timedelta()
    if int(hours) > _LAST_HOUR or int(minutes) > _LAST_MINUTE:
        raise ValueError(NOT_A_MOMENT)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset
