"""What a consumer says of itself when asked whether it is live and ready."""

from shared.assignment import Assignment
from shared.faults import TransientError
from shared.progress import SLOW_SECONDS, STUCK_SECONDS, Progress


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> int:
        return round(self.seconds * 1e6)

    def monotonic(self) -> float:
        return self.seconds


def started() -> tuple[Progress, Clock]:
    clock = Clock()
    progress = Progress("g", clock)
    progress.asked()
    return progress, clock


def why(progress: Progress, clock: Clock, *, assigned: bool = True, silent: float = 0) -> list[str]:
    return progress.not_ready(assigned=assigned, answered_at=clock.seconds - silent)


def test_a_consumer_is_ready_once_it_has_partitions() -> None:
    clock = Clock()
    progress = Progress("g", clock)
    assert why(progress, clock) == ["g: not started"]
    progress.asked()
    assert why(progress, clock, assigned=False) == ["g: no partitions assigned"]
    assert why(progress, clock) == []
    assert progress.not_ready(assigned=True, answered_at=None) == []


def test_silence_of_kafka_counts_only_between_batches() -> None:
    progress, clock = started()
    assert why(progress, clock, silent=SLOW_SECONDS) == []
    assert why(progress, clock, silent=SLOW_SECONDS + 1) == ["g: no answer from Kafka for 31 s"]
    progress.began()
    assert why(progress, clock, silent=SLOW_SECONDS + 1) == []


def test_a_slow_batch_is_said_so() -> None:
    progress, clock = started()
    progress.began()
    clock.seconds += SLOW_SECONDS + 1
    assert why(progress, clock) == ["g: a batch has been in hand for 31 s"]
    progress.ended(well=True)
    assert why(progress, clock) == []


def test_a_failing_batch_is_said_so_until_one_goes_well() -> None:
    progress, clock = started()
    progress.began()
    progress.failed(TransientError("MongoDB is away"))
    clock.seconds += 7
    assert why(progress, clock) == ["g: failing for 7 s: TransientError: MongoDB is away"]
    progress.ended(well=False)
    progress.began()
    assert why(progress, clock) == ["g: failing for 7 s: TransientError: MongoDB is away"]
    progress.ended(well=True)
    assert why(progress, clock) == []


def test_only_a_loop_that_stopped_is_not_live() -> None:
    progress, clock = started()
    clock.seconds += STUCK_SECONDS
    assert progress.not_live() == []
    clock.seconds += 1
    assert progress.not_live() == ["g: stuck for 241 s"]
    progress.asked()
    assert progress.not_live() == []
    progress.began()
    clock.seconds += STUCK_SECONDS + 2
    assert progress.not_live() == ["g: stuck for 242 s"]
    assert Progress("g", clock).not_live() == []


def test_what_failed_is_forgotten_once_partitions_are_assigned_anew() -> None:
    progress, clock = started()
    progress.began()
    progress.failed(TransientError("MongoDB is away"))
    progress.ended(well=False)
    progress.assigned()
    assert why(progress, clock) == []


def test_what_failed_and_does_not_come_again_is_forgotten_too() -> None:
    progress, clock = started()
    progress.began()
    progress.failed(TransientError("MongoDB is away"))
    clock.seconds += STUCK_SECONDS
    progress.ended(well=False)
    clock.seconds += SLOW_SECONDS
    progress.asked()
    assert why(progress, clock) == ["g: failing for 270 s: TransientError: MongoDB is away"]
    clock.seconds += 1
    assert why(progress, clock, silent=SLOW_SECONDS + 1) == ["g: failing for 271 s: TransientError: MongoDB is away"], (
        "nobody asked yet"
    )
    progress.asked()
    assert why(progress, clock) == []


async def test_a_consumer_tells_of_partitions_that_are_assigned_anew() -> None:
    told: list[str] = []
    assignment = Assignment("g", None, None, lambda: told.append("anew"))
    await assignment.on_partitions_assigned(set())
    assert told == ["anew"]
