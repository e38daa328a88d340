"""Adding up day figures over local days."""

from collections.abc import Mapping

Days = Mapping[tuple[int, str], int]
"""{(local day, counter): value}, as known at an instant."""


def day_sum(days: Days, name: str, first: int, last: int) -> int:
    """A counter over local days first..last, both included."""
    return sum(days.get((day, name), 0) for day in range(first, last + 1))
