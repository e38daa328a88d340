"""When settling has its turn: as soon as facts were stored, in as few transactions as can be while more of them wait."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.clock import Clock

FOLDING_RECORDS = 500
"""So many records folded at once say that more of them wait in Kafka."""

NEXT_SECONDS = 0.25
"""So soon after a batch the next one is in hand, if there is any."""


class Pace:
    """Woken by whoever folds, asked by whoever settles."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._woken = asyncio.Event()
        self._folding_until = 0.0

    @contextmanager
    def fold(self, records: int) -> Iterator[None]:
        """So many records are in hand meanwhile; whoever settles is woken then."""
        many = records >= FOLDING_RECORDS  # few between two large batches change nothing
        if many:
            self._folding_until = math.inf
        try:
            yield
        finally:
            if many:
                self._folding_until = self._clock.monotonic() + NEXT_SECONDS
            self._woken.set()

    @property
    def folding(self) -> bool:
        """Records wait in Kafka to be folded."""
        return self._clock.monotonic() < self._folding_until

    async def idle(self, seconds: float) -> None:
        """Returns when woken, or after so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()
