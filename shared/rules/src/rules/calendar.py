"""Which local day an instant falls on, and when that day begins and ends.

Days are proleptic ordinals (`date.toordinal()`), the calendar days of one time zone. A day
begins with the first instant that bears its date; where clocks change at midnight, that is not
always 00:00.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from rules.instants import FIRST_YEAR, LAST_YEAR, SECOND, from_datetime, to_datetime

_DAY = 86_400 * SECOND
"""Of UTC: where clocks are as far ahead at its end as at its begin, one answer serves all of it (no zone changes
them twice within three days)."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_CACHE_LIMIT = 200_000

Answer = TypeVar("Answer")


class _Cache(dict[int, Answer], Generic[Answer]):
    """Remembers what a function answered; forgets all when it has grown too large."""

    def __init__(self, compute: Callable[[int], Answer]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, key: int) -> Answer:
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        value = self[key] = self._compute(key)
        return value


class Calendar:
    """The calendar days of one IANA time zone; answers are cached, instances are shared."""

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone
        self._zone = ZoneInfo(time_zone)
        self._offsets = _Cache(self._offset_of_day)
        self._starts = _Cache(self._first_instant)

    def __reduce__(self) -> tuple[Callable[[str], "Calendar"], tuple[str]]:
        """Another process has its own."""
        return calendar, (self.time_zone,)

    def offset(self, instant: int) -> int:
        """Microseconds that local time is ahead of UTC at an instant."""
        offset = self._offsets[instant // _DAY]
        return self._offset(instant) if offset is None else offset

    def day(self, instant: int) -> int:
        """The local day of an instant."""
        offset = self._offsets[instant // _DAY]
        if offset is None:
            offset = self._offset(instant)
        return (instant + offset) // _DAY + _EPOCH_ORDINAL

    def hour(self, instant: int) -> int:
        """The local hour of an instant, 0 to 23."""
        return (instant + self.offset(instant)) % _DAY // (3_600 * SECOND)

    def start(self, day: int) -> int:
        """The first instant of a local day."""
        return self._starts[day]

    def end(self, day: int) -> int:
        """The last microsecond of a local day."""
        return self.start(day + 1) - 1

    def _offset_of_day(self, day: int) -> int | None:
        """Of a day of UTC; None: clocks change on it."""
        offset = self._offset(day * _DAY)
        return offset if offset == self._offset((day + 1) * _DAY - 1) else None

    def _offset(self, instant: int) -> int:
        local = to_datetime(instant).astimezone(self._zone)
        return (local.utcoffset() or timedelta()) // timedelta(microseconds=1)

    def _first_instant(self, day: int) -> int:
        midnight = from_datetime(datetime.combine(date.fromordinal(day), datetime.min.time(), UTC))
        offsets = {self.offset(midnight + shift) for shift in (-_DAY, 0, _DAY)}
        candidates = sorted(midnight - offset for offset in offsets)
        for instant in candidates:
            if self.day(instant) >= day and self.day(instant - 1) < day:
                return instant
        return candidates[-1]


@lru_cache(maxsize=1024)
def calendar(time_zone: str) -> Calendar:
    """The calendar of an IANA time zone.

    Raises zoneinfo.ZoneInfoNotFoundError when there is no such zone.
    """
    return Calendar(time_zone)


def day_text(day: int) -> str:
    """YYYY-MM-DD of a day."""
    return date.fromordinal(day).isoformat()


def day_of_text(text: str) -> int:
    """The day that YYYY-MM-DD names; raises ValueError when it names none."""
    return date.fromisoformat(text).toordinal()


def plausible_day(text: str) -> str:
    """YYYY-MM-DD of a day that is written so; raises ValueError when it is none, or of no plausible year."""
    day = date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"not of the years {FIRST_YEAR} to {LAST_YEAR}")
    return day.isoformat()
