"""The servers that a stack brings itself: started side by side, awaited together."""

import time
from collections.abc import Callable, Sequence

from local_stack import kafka, mongodb, processes
from local_stack.problems import StackError
from local_stack.processes import Process
from local_stack.settings import Settings

STOP_SECONDS = 30.0
POLL_SECONDS = 0.1


def start(settings: Settings, names: Sequence[str], *, called_off: Callable[[], bool] = bool) -> list[Process]:
    """Start these ("mongodb", "kafka") and return when they answer, or when called off; none is left when one fails."""
    started: list[Process] = []
    try:
        for name in names:
            started.append(start_one(settings, name))  # noqa: PERF401 - kept one by one, to be stopped on a failure
        _await(settings, started, called_off)
    except BaseException:
        processes.stop(started, within=STOP_SECONDS)
        raise
    return started


def start_one(settings: Settings, name: str) -> Process:
    """Start this one; it needs a moment until it answers."""
    if name == "mongodb":
        program = mongodb.prepare(settings.data / name, settings.mongodb_port)
    else:
        program = kafka.prepare(settings.data / name, settings.kafka_port)
    return processes.start(program, logs=settings.logs, run=settings.run)


def answers(settings: Settings, name: str) -> bool:
    """Whether this server, started by us, takes requests now."""
    if name == "mongodb":
        return mongodb.make_primary(settings.mongodb_port)
    return kafka.answers(settings.kafka_bootstrap_servers)


def _await(settings: Settings, started: Sequence[Process], called_off: Callable[[], bool]) -> None:
    deadline = time.monotonic() + settings.start_timeout
    waiting = list(started)
    while not called_off() and (
        waiting := [process for process in waiting if not _answers_or_fails(settings, process)]
    ):
        if time.monotonic() > deadline:
            log = settings.logs / f"{waiting[0].name}.log"
            raise StackError(f"{waiting[0].name} does not answer after {settings.start_timeout:.0f} s, see {log}")
        time.sleep(POLL_SECONDS)


def _answers_or_fails(settings: Settings, process: Process) -> bool:
    if not process.alive():
        log = settings.logs / f"{process.name}.log"
        raise StackError(f"{process.name} ended at once, see {log}:\n{process.last_words()}")
    return answers(settings, process.name)
