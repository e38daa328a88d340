"""Does a consumer get on? What it says of itself when asked whether it is live and ready."""

from shared.clock import Clock
from shared.faults import describe

SLOW_SECONDS = 30.0
"""So long a batch or Kafka's silence may last before the process calls itself not ready."""

STUCK_SECONDS = 240.0
"""So long before only a restart can help: longer than any fault is waited out at a time."""


class Progress:
    """Remembers when a consumer last asked for records, began a batch, and failed."""

    def __init__(self, group: str, clock: Clock) -> None:
        self._group = group
        self._clock = clock
        self._asked_at: float | None = None
        self._begun_at: float | None = None
        self._ended_at: float | None = None
        self._failing_since: float | None = None
        self._fault = ""
        self.stopped_by: str | None = None
        """The fatal error, once there was one."""

    def asked(self) -> None:
        """Records were asked for, and no batch is in hand."""
        self._asked_at = self._clock.monotonic()
        if self._ended_at is not None and self._asked_at - self._ended_at > SLOW_SECONDS:
            # A batch that failed comes again at once. This one does not: its records are gone from Kafka.
            self._failing_since = None

    def assigned(self) -> None:
        """Partitions were assigned anew: what failed may be another's by now, or it fails again."""
        self._failing_since = None

    def began(self) -> None:
        """A batch is in hand."""
        self._begun_at = self._clock.monotonic()

    def failed(self, fault: BaseException) -> None:
        """The batch in hand failed; it is tried again, or comes again."""
        self._failing_since = self._failing_since or self._clock.monotonic()
        self._fault = describe(fault)

    def ended(self, *, well: bool) -> None:
        """No batch is in hand any more."""
        self._begun_at = None
        self._ended_at = self._clock.monotonic()
        if well:
            self._failing_since = None

    def not_ready(self, *, assigned: bool, answered_at: float | None) -> list[str]:
        """Why no progress is made, if none is; `answered_at`: when Kafka last answered (s, epoch)."""
        now = self._clock.monotonic()
        silence = 0.0 if answered_at is None else self._clock.now() / 1e6 - answered_at
        if self.stopped_by is not None:
            why = f"stopped by {self.stopped_by}"
        elif self._asked_at is None:
            why = "not started"
        elif not assigned:
            why = "no partitions assigned"
        elif self._failing_since is not None:
            why = f"failing for {now - self._failing_since:.0f} s: {self._fault}"
        elif self._begun_at is not None and now - self._begun_at > SLOW_SECONDS:
            why = f"a batch has been in hand for {now - self._begun_at:.0f} s"
        elif self._begun_at is None and silence > SLOW_SECONDS:
            why = f"no answer from Kafka for {silence:.0f} s"
        else:
            return []
        return [f"{self._group}: {why}"]

    def not_live(self) -> list[str]:
        """Why only a restart can help, if so: the loop that asks for records has stopped."""
        since = self._asked_at if self._begun_at is None else self._begun_at
        stuck = 0.0 if since is None else self._clock.monotonic() - since
        return [f"{self._group}: stuck for {stuck:.0f} s"] if stuck > STUCK_SECONDS else []
