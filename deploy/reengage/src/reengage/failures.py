"""How a command ends: one clear line that says what to do next, and the exit status."""

import asyncio
import logging
import os
import traceback
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer

from reengage.output import say

T = TypeVar("T")

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130


class CommandError(Exception):
    """What was asked for cannot be done; the message says why and what to do."""

    status = FAILED


class WrongUsageError(CommandError):
    """The command was called with something that it cannot take."""

    status = WRONG_USAGE


def run(work: Coroutine[Any, Any, T]) -> T:
    """What the work returns; its failures become one line on standard error and an exit status."""
    try:
        _quieten_libraries()
        return asyncio.run(work)
    except CommandError as failure:
        stop(str(failure), failure.status)
    except KeyboardInterrupt:
        stop("interrupted", INTERRUPTED)
    except Exception as fault:
        told = _explanation(fault)
        if told is None:
            if os.environ.get("REENGAGE_DEBUG"):
                raise
            told = _report(fault)
        stop(told, FAILED)
    finally:
        work.close()  # interrupted before it began, it would be missed aloud


def stop(message: str, status: int) -> NoReturn:
    """Ends the command."""
    say(f"reengage: {message}")
    raise typer.Exit(status)


def _explanation(fault: Exception) -> str | None:
    """One line about a fault of the world around; None: the fault is this program's own.

    Never quotes what a server said about a value: only what is known to hold none.
    """
    from aiokafka.errors import KafkaError
    from pymongo.errors import PyMongoError

    from shared.faults import StatedError, describe
    from shared.identity import SealError

    if isinstance(fault, SealError):
        return str(fault)
    if isinstance(fault, PyMongoError):
        return f"MongoDB does not do its part ({_short(describe(fault))}): `reengage doctor` looks for the reason"
    if isinstance(fault, KafkaError | StatedError):
        return f"Kafka does not do its part ({_short(describe(fault))}): `reengage doctor` looks for the reason"
    return None


def _report(fault: Exception) -> str:
    place = traceback.extract_tb(fault.__traceback__)[-1]
    return (
        f"an error of this program: {type(fault).__name__} at {place.filename}:{place.lineno}"
        " (REENGAGE_DEBUG=1 shows more); please report it"
    )


def _short(text: str) -> str:
    return text.split(", Timeout:")[0].splitlines()[0][:200]


def _quieten_libraries() -> None:
    """What libraries log would stand between the lines, and structlog's on standard output."""
    import structlog

    for name in ("aiokafka", "asyncio", "pymongo"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
