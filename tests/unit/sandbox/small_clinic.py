"""The names that the tests of the sandbox share, and a clock in their hands."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 3, 12, 2, 0, tzinfo=UTC)
KEY = "abc-def-au4"

Book = Callable[..., str]
"""Books an appointment for a patient and returns its id."""


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)
