"""Under which `_id` something stands that must not name a patient."""

import hashlib


def erasure_id(timeline: str) -> str:
    """The marker of an erased patient: it tells nothing to who does not know the ids already."""
    return hashlib.sha256(f"erased:{timeline}".encode()).hexdigest()
