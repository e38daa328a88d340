"""What an instant is here: whole microseconds since 1970-01-01T00:00:00Z, as an int.

Integers compare fast and exactly; text in RFC 3339 is read and written at the edges only.
"""

from datetime import UTC, datetime, timedelta

MICROSECOND = 1
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

FOREVER = 2**62
"""Later than every instant that a clock or a calendar of Python can show."""

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""No other year is plausible, nor fit for arithmetic with calendar days."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time stamp.

    Raises ValueError when the text is none, or names no offset from UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time stamp needs an offset from UTC")
    return from_datetime(moment)


def format_instant(instant: int) -> str:
    """RFC 3339 in UTC ending in Z; fractions of a second only where there are any."""
    text = to_datetime(instant).isoformat()
    return text.removesuffix("+00:00") + "Z"


def from_datetime(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_datetime(instant: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=instant)


BEGINNING = from_datetime(datetime(FIRST_YEAR - 1, 1, 1, tzinfo=UTC))
"""Before every fact, and an instant that a calendar can show."""

_FIRST = from_datetime(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
_BEHIND = from_datetime(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC))


def plausible(instant: int) -> int:
    """The same instant; raises ValueError when it lies in no plausible year of UTC."""
    if not _FIRST <= instant < _BEHIND:
        raise ValueError(f"not of the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant
