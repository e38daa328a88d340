"""What a consumer hands to a handler, and what it may return."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shared.dead_letters import DeadLetter

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""


class Record(NamedTuple):
    """One record as it lies in Kafka; `value` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: int
    """Kafka's own timestamp of the record, in microseconds."""


Handler = Callable[[Sequence[Record]], Awaitable[Sequence["DeadLetter"]]]
"""Stores what the records say durably, then returns those that can never succeed.

It may be called again with the same records, and with parts of a batch.
"""
