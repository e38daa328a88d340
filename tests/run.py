"""Runs the tests in two parts: those that mostly wait for servers side by side, those that need the machine alone.

    make test ARGS="-k name"

Arguments are pytest's, and go to both parts. Exit status: 0, or the first one of pytest that says what is wrong.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile", "-m", "not (e2e or faults)")
ALONE = ("-m", "e2e or faults")
"""They measure, or keep both cores busy by themselves."""

INTERRUPTED, NOTHING_SELECTED = 2, 5
"""pytest's exit statuses after a signal, and when the arguments leave a part without tests."""


def main(arguments: Sequence[str]) -> int:
    """Runs both parts, also when tests of the first one fail."""
    ended = []
    for part in (SIDE_BY_SIDE, ALONE):
        ended.append(run([sys.executable, "-m", "pytest", *part, *arguments]))
        if ended[-1] < 0 or ended[-1] == INTERRUPTED:
            return INTERRUPTED
    if all(status == NOTHING_SELECTED for status in ended):
        return NOTHING_SELECTED
    return next((status for status in ended if status not in (0, NOTHING_SELECTED)), 0)


def run(command: Sequence[str]) -> int:
    """The exit status of a command that is given the time to stop what it started."""
    running = subprocess.Popen(command)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:  # Ctrl-C reaches the whole foreground by itself
            running.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hand_on)
    return running.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
