"""What the logs say: JSON lines on standard output, of listed keys only, never of patients."""

import logging
import math
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from shared.faults import describe, place_of

ALLOWED_KEYS = frozenset(
    (
        "attempt",
        "attempts",
        "batch",
        "batches",
        "changed",
        "conflicts",
        "count",
        "dead_letters",
        "detail",
        "driver",
        "dropped",
        "error",
        "event",
        "events",
        "exit_code",
        "full",
        "generation",
        "group",
        "host",
        "instance",
        "key_id",
        "lag",
        "level",
        "method",
        "milliseconds",
        "module",
        "offset",
        "organization_id",
        "pages",
        "partition",
        "partitions",
        "path",
        "place",
        "port",
        "published",
        "read",
        "reason",
        "reasons",
        "records",
        "remaining",
        "repeated",
        "request_id",
        "resource",
        "revision",
        "route",
        "rules_version",
        "seconds",
        "service",
        "settings_revision",
        "signal",
        "skipped",
        "stale",
        "state",
        "status",
        "sync_request_id",
        "task",
        "timestamp",
        "topic",
        "topics",
        "type",
        "version",
        "waited",
        "written",
    )
)
"""The only keys a line may have; the others are dropped, and `dropped` counts them."""

# Of foreign code only these write messages without values of records.
_TRUSTED_LOGGERS = ("aiokafka", "uvicorn.error", "faststream")

_NOT_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
"""Answers of a Kafka that is still finding itself, as at every fresh start: aiokafka asks again, but logs an error. A
Kafka that does not answer stays one, and whoever waits for long is not ready."""

REPEATED_AFTER_SECONDS = 30.0
"""How often the same line of foreign code is let through: while Kafka is away, aiokafka writes a hundred a second."""

REMEMBERED_LINES = 500
"""Of foreign code; more different ones are not told apart from new ones."""


def configure_logs(
    service: str, instance: str, level: str = "info", *, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Makes structlog and the standard library write JSON lines of this service to stdout."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with(service=service, instance=instance),
            _tell_of_exceptions,
            _allow_listed,
            _in_json,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_Stdout,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_ToStructlog(_Repetitions(monotonic))]
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        foreign = logging.getLogger(name)
        foreign.handlers, foreign.propagate = [], True
        foreign.setLevel(logging.WARNING)
        foreign.disabled = False


def log_of(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module; its lines carry the name as `module`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def _with(**constants: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        for key, value in constants.items():
            line.setdefault(key, value)
        return line

    return add


def _tell_of_exceptions(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replaces an exception by its class and place: messages can quote values."""
    fault = line.pop("exc_info", None)
    if fault is True:
        fault = sys.exc_info()[1]
    if isinstance(fault, tuple):
        fault = fault[1]
    if isinstance(line.get("error"), BaseException):
        fault = line["error"]
    if isinstance(fault, BaseException):
        line["error"] = describe(fault)
        line.setdefault("place", place_of(fault))
    return line


def _allow_listed(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    unlisted = [key for key in line if key not in ALLOWED_KEYS]
    for key in unlisted:
        del line[key]
    if unlisted:
        line["dropped"] = len(unlisted)
    return line


def _in_json(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Numbers that JSON does not know, as text."""
    for key, value in line.items():
        if isinstance(value, float) and not math.isfinite(value):
            line[key] = str(value)
    return line


class _Stdout:
    """Where lines go: one write each, so that lines of several threads do not mix."""

    def __init__(self, *_: Any) -> None:
        """structlog hands the logger's arguments over; there are none."""

    def msg(self, line: str) -> None:
        """Writes a line."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    debug = info = warning = error = critical = msg


class _Repetitions:
    """Which lines were written a moment ago; a line is the same whatever its arguments."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._written: dict[tuple[object, ...], tuple[float, int]] = {}

    def left_out(self, line: tuple[object, ...]) -> int | None:
        """How many were left out since the last one that was written; None: leave this one out, too."""
        now = self._monotonic()
        written_at, left_out = self._written.get(line, (-math.inf, 0))
        if now - written_at < REPEATED_AFTER_SECONDS:
            self._written[line] = (written_at, left_out + 1)
            return None
        self._written.pop(line, None)
        if len(self._written) >= REMEMBERED_LINES:
            del self._written[next(iter(self._written))]  # the one that was written longest ago
        self._written[line] = (now, 0)
        return left_out


class _ToStructlog(logging.Handler):
    """Hands lines of the standard library over, without what could be a value, and not again and again."""

    def __init__(self, repetitions: _Repetitions) -> None:
        super().__init__()
        self._repetitions = repetitions

    def emit(self, record: logging.LogRecord) -> None:
        level = logging.WARNING if _only_waits(record) else record.levelno
        template = _first_line(str(record.msg))
        fault = type(record.exc_info[1]) if record.exc_info else None
        left_out = self._repetitions.left_out((record.name, level, template, fault))
        if left_out is None:
            return
        text = _first_line(record.getMessage()) if record.name.startswith(_TRUSTED_LOGGERS) else template
        repeated = {"repeated": left_out} if left_out else {}
        structlog.get_logger(module=record.name).log(level, text, exc_info=record.exc_info, **repeated)


def _only_waits(record: logging.LogRecord) -> bool:
    told = record.args if isinstance(record.args, tuple) else ()
    return any(isinstance(each, _NOT_YET) for each in told)


def _first_line(text: str) -> str:
    return text.splitlines()[0][:500] if text else ""
