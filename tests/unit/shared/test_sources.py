"""Rules about the shared package that no linter knows."""

import re
from pathlib import Path

import shared

WALL_CLOCK = re.compile(r"\btime\.time|\btime_ns\(|datetime\.(now|utcnow|today)\(|date\.today\(")


def test_only_the_clock_reads_the_wall_clock() -> None:
    here = Path(shared.__file__).parent
    readers = {path.name for path in here.glob("*.py") if WALL_CLOCK.search(path.read_text())}
    assert readers == {"clock.py"}
