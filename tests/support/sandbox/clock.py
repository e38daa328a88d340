"""What time it is: the only reader of the wall clock here, and the text form of an instant."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


def stamp(instant: datetime) -> str:
    """Return Cliniko's form of an instant: UTC, whole seconds (cut, not rounded), ending in Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_of(text: str) -> datetime:
    """Return the aware UTC instant that an RFC 3339 text names.

    Raises ValueError for anything else, also for an instant without a zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return instant.astimezone(UTC)


def ceiling(instant: datetime) -> datetime:
    """Return the instant, or the next whole second if it has a fraction."""
    whole = instant.replace(microsecond=0)
    return whole if whole == instant else whole + timedelta(seconds=1)
