"""Reads instants and answers calendar questions in one organization's time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ONE_MICROSECOND = timedelta(microseconds=1)


def instant(text: str | None) -> datetime | None:
    """The UTC instant an RFC 3339 text names; None stays None."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def rfc3339(moment: datetime | None) -> str | None:
    """UTC text ending in Z, with microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


class Calendar:
    """Local days of one time zone; every answer is remembered, none is stored elsewhere."""

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)
        self._local_dates: dict[datetime, date] = {}

    def local_date(self, moment: datetime) -> date:
        known = self._local_dates.get(moment)
        if known is None:
            known = self._local_dates[moment] = moment.astimezone(self.zone).date()
        return known

    def local_hour(self, moment: datetime) -> int:
        return moment.astimezone(self.zone).hour

    def days_between(self, a: datetime, b: datetime) -> int:
        """ "days_between(a, b) = local_date(b) - local_date(a)"."""
        return (self.local_date(b) - self.local_date(a)).days

    def in_last_days(self, x: datetime, days: int, at: datetime) -> bool:
        """ "`days_between(x, T) <= N - 1`, x not after T"."""
        return x <= at and self.days_between(x, at) <= days - 1

    def in_next_days(self, x: datetime, days: int, at: datetime) -> bool:
        """ "the instants after T with `days_between(T, x) <= N`"."""
        return x > at and self.days_between(at, x) <= days

    def end_of_day(self, day: date) -> datetime:
        """ "a plain date: the end of that local day (its last microsecond)".

        READING: the day ends where the next one begins. Where the next day's 00:00 is
        skipped (America/Havana in March), fold=0 applies the offset from before the
        change, which is the very instant of the change.
        """
        midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=self.zone)
        return midnight.astimezone(UTC) - ONE_MICROSECOND

    def as_of(self, text: str) -> datetime:
        """The instant meant by the API's `as_of`: an RFC 3339 instant, or a local day."""
        if len(text) == len("YYYY-MM-DD"):
            return self.end_of_day(date.fromisoformat(text))
        moment = instant(text)
        assert moment is not None
        return moment
