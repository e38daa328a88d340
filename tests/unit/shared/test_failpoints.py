"""A process dies, stops or fails at a named point when told to, and never otherwise."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
from shared.failpoints import BrokenCodeError, reached
for number in range(4):
    try:
        reached("other")
        reached("here")
        print(number, flush=True)
    except BrokenCodeError:
        print("broken", flush=True)
"""


def _run(failpoint: str | None) -> tuple[int, list[str]]:
    environment = {name: value for name, value in os.environ.items() if name != "REENGAGE_FAILPOINT"}
    if failpoint is not None:
        environment["REENGAGE_FAILPOINT"] = failpoint
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("failpoint", [None, "", "elsewhere:exit"])
def test_nothing_happens_without_being_told(failpoint: str | None) -> None:
    assert _run(failpoint) == (0, ["0", "1", "2", "3"])


def test_it_dies_at_the_point_after_so_many_passes() -> None:
    assert _run("here:exit:2") == (-signal.SIGKILL, ["0", "1"])
    assert _run("here:exit") == (-signal.SIGKILL, [])


def test_broken_code_stays_broken() -> None:
    assert _run("here:raise:1") == (0, ["0", "broken", "broken", "broken"])
