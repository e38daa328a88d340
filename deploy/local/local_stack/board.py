"""The files by which commands and the supervisor talk: wanted counts one way, a report the other."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local_stack.problems import StackError
from local_stack.processes import write_whole
from local_stack.settings import SERVICES, Settings

LARGEST_COUNT = 64
CONSUMERS = ("risk-engine", "outreach-tracker")
LARGEST_CONSUMER_COUNT = 12
"""As many as a topic has partitions (`shared.topics`): one more would have nothing to do."""


def want(settings: Settings, counts: Mapping[str, int]) -> None:
    """Note how many instances of each service are wanted."""
    write_whole(settings.run / "wanted.json", json.dumps(counts))


def wanted(settings: Settings) -> dict[str, int]:
    """How many instances of each service are wanted: one, unless noted otherwise."""
    try:
        noted = json.loads((settings.run / "wanted.json").read_text())
    except (OSError, ValueError):
        noted = {}
    return {service: int(noted.get(service, 1)) for service in SERVICES}


def report(settings: Settings, state: Mapping[str, Any]) -> None:
    """Note how the stack is, for whoever waits."""
    if state == reported(settings):
        return
    write_whole(settings.run / "state.json", json.dumps(state, indent=1))


def reported(settings: Settings) -> dict[str, Any]:
    """How the stack is, as its supervisor last noted; empty before that."""
    try:
        state: dict[str, Any] = json.loads((settings.run / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    return state


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Held by whoever starts this home's stack; others wait."""
    settings.run.mkdir(parents=True, exist_ok=True)
    with (settings.run / "up.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def supervisors_place(settings: Settings) -> Iterator[None]:
    """Held by the one supervisor of this home for as long as it lives; raises StackError when it is taken."""
    settings.run.mkdir(parents=True, exist_ok=True)
    with (settings.run / "supervisor.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"the stack in {settings.home} is already running") from None
        yield


def has_supervisor(settings: Settings) -> bool:
    """Whether a supervisor runs for this home."""
    if not (settings.run / "supervisor.lock").exists():
        return False
    try:
        with supervisors_place(settings):
            return False
    except StackError:
        return True
