"""Records that can never succeed: how they are set aside, and when that must stop."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from aiokafka.errors import MessageSizeTooLargeError

from rules.instants import format_instant
from shared.faults import StatedError
from shared.kafka import KeyedProducer, Outgoing
from shared.records import Record
from shared.topics import MAX_RECORD_BYTES, dead_letters_of

PREFIX = "dlq-"
TOPIC, PARTITION, OFFSET = "dlq-topic", "dlq-partition", "dlq-offset"
ERROR, ATTEMPTS, AT, TRUNCATED = "dlq-error", "dlq-attempts", "dlq-at", "dlq-truncated"

_KEPT_BYTES = 64 * 1024
"""So much is kept of the key of a record that is too large, and so much its own headers may have together."""

_FRAME_BYTES = 8
"""What a header takes beside its name and value, at most: many empty ones are large, too."""


Publish = Callable[[Iterable[Outgoing]], Awaitable[object]]

Failure = bytes | None
"""The key of a record that failed unexpectedly; None: it did not."""


class FailureLimitError(StatedError):
    """Most records fail by an error of our own code: setting them aside would lose good ones."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never succeed. `error`: class and reason, without any value of it."""

    record: Record
    error: str
    unexpected: bool = False
    """Whether an exception of our own code is the reason, and not a rule that the record breaks."""
    attempts: int = 1

    @classmethod
    def invalid(cls, record: Record, reason: str) -> "DeadLetter":
        """For a record that breaks a rule."""
        return cls(record, f"InvalidEvent: {reason}")

    @classmethod
    def of_exception(cls, record: Record, fault: BaseException, attempts: int = 1) -> "DeadLetter":
        """For a record on which our code fails; the exception's message is not told."""
        return cls(record, f"{type(fault).__name__}: unexpected", unexpected=True, attempts=attempts)


class FailureLimit:
    """Stops the consumer when of the last `window` records more than half failed unexpectedly, of several keys.

    What fails for the records of a few patients only lies with these patients, and the others go on.
    """

    def __init__(self, window: int = 200, keys: int = 5) -> None:
        self._window = window
        self._keys = keys
        self._failures: deque[Failure] = deque(maxlen=window)

    def check(self, records: Sequence[Record], dead: Sequence[DeadLetter]) -> None:
        """Raises FailureLimitError when, with this batch, the limit is passed: set nothing aside."""
        window = self._with(records, dead)
        failures = [failure for failure in window if failure is not None]
        if len(failures) * 2 > self._window and len(set(failures)) >= self._keys:
            raise FailureLimitError(
                f"of the last {len(window)} records {len(failures)} failed by an error of this program; "
                "it stops, and nothing is lost"
            )

    def count(self, records: Sequence[Record], dead: Sequence[DeadLetter]) -> None:
        """Remembers a batch that is done: one that comes again must not count twice."""
        self._failures = self._with(records, dead)

    def _with(self, records: Sequence[Record], dead: Sequence[DeadLetter]) -> "deque[Failure]":
        failed = {letter.record[:3] for letter in dead if letter.unexpected}
        window = self._failures.copy()
        window.extend((record.key or b"") if record[:3] in failed else None for record in records)
        return window


async def set_aside(producer: KeyedProducer, dead: Sequence[DeadLetter], at: int) -> None:
    """Returns once Kafka has all of them in the dead-letter topics, as they came."""
    await publish_letters(producer.publish_all, [_outgoing(letter, at) for letter in dead])


async def publish_letters(publish: Publish, letters: Sequence[Outgoing]) -> None:
    """Publishes them whole; what is too large for Kafka is shortened, and says so."""
    try:
        await publish(letters)
    except MessageSizeTooLargeError:
        await publish([_shortened(letter) for letter in letters])


def _outgoing(letter: DeadLetter, at: int) -> Outgoing:
    record = letter.record
    own = [(name, value or b"") for name, value in record.headers if not name.startswith(PREFIX)]
    told = {
        TOPIC: record.topic,
        PARTITION: str(record.partition),
        OFFSET: str(record.offset),
        ERROR: letter.error,
        ATTEMPTS: str(letter.attempts + _earlier_attempts(record)),
        AT: format_instant(at),
    }
    headers = [*own, *((name, value.encode()) for name, value in told.items())]
    value = b"" if record.value is None and record.key is None else record.value
    return Outgoing(dead_letters_of(record.topic), record.key, value, headers)


def _earlier_attempts(record: Record) -> int:
    """A replayed dead letter carries the count of its attempts so far."""
    for name, value in record.headers:
        if name == ATTEMPTS and value is not None and value.isdigit():
            return int(value[:9])
    return 0


def _shortened(letter: Outgoing) -> Outgoing:
    """A record that was compressed can be larger than any that Kafka takes: the begin of it is kept."""
    key, value = letter.key or b"", letter.value or b""
    told = [(name, text) for name, text in letter.headers if name.startswith(PREFIX)]
    own = [(name, text) for name, text in letter.headers if not name.startswith(PREFIX)]
    own_bytes = sum(len(name.encode()) + len(text) + _FRAME_BYTES for name, text in own)
    size = len(key) + len(value) + own_bytes
    if size <= 2 * MAX_RECORD_BYTES:
        return letter
    if all(name != TRUNCATED for name, _ in told):
        told.append((TRUNCATED, str(size).encode()))
    return replace(
        letter,
        key=letter.key and key[:_KEPT_BYTES],
        value=letter.value and value[:MAX_RECORD_BYTES],
        headers=[*(own if own_bytes <= _KEPT_BYTES else ()), *told],
    )
