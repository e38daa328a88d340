"""Places where a test has a process die, stop or fail. Without REENGAGE_FAILPOINT nothing happens.

REENGAGE_FAILPOINT is `NAME:ACTION[:PASSES]`: at the named point, after so many passes, `exit` kills the
process (SIGKILL), `freeze` stops it (SIGSTOP), `raise` raises, from then on each time.
"""

import os
import signal

_name, _, _rest = os.environ.get("REENGAGE_FAILPOINT", "").partition(":")
_action, _, _passes = _rest.partition(":")
_left = int(_passes or 0)


class BrokenCodeError(Exception):
    """What stands for an error of our own code."""


def reached(name: str) -> None:
    """The process is at this point."""
    if name == _name:
        _act()


def _act() -> None:
    global _left, _name
    _left -= 1
    if _left >= 0:
        return
    if _action == "raise":
        raise BrokenCodeError
    _name = ""
    os.kill(os.getpid(), {"exit": signal.SIGKILL, "freeze": signal.SIGSTOP}[_action])
