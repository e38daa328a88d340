"""One running system for all tests of this folder; each takes an organization of its own."""

from collections.abc import Iterator

import pytest

from support.system import System, running_system


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """The whole stack on real servers."""
    with running_system() as running:
        yield running
