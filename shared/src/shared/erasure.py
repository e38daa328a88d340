"""What all services do about an erased patient: markers that name nobody, tombstones in topics.

A marker is kept for ever where something could come again, and says only: whoever has this key
was erased. It is stored before anything is deleted, and looked for again after every write: so of
a write and an erasure at the same moment one always sees the other.
"""

import hashlib
from collections.abc import Iterable

from shared.kafka import Outgoing


def erasure_id(key: str) -> str:
    """The marker of the patient `organization:patient`: it tells nothing to who does not know the ids."""
    return hashlib.sha256(f"erased:{key}".encode()).hexdigest()


def tombstones(places: Iterable[tuple[str, bytes]]) -> list[Outgoing]:
    """One tombstone for each (topic, key): compaction removes what came before it."""
    return [Outgoing(topic, key, None) for topic, key in sorted(set(places))]
