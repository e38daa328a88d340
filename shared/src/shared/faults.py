"""Whose fault is an exception, and what of it may be told: values of records never appear in logs."""

import traceback

from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
)
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)


class StatedError(Exception):
    """An error of our own whose message holds no value of any record, so that logs may show it."""


class TransientError(StatedError):
    """Nobody's fault for good: the same thing, tried later, can succeed."""


_OF_THE_RECORD = (MessageSizeTooLargeError, RecordTooLargeError, InvalidTopicError)

_DUPLICATE_KEY = 11_000

# BadValue, FailedToParse, TypeMismatch, DocumentValidationFailure, KeyTooLong, BSONObjectTooLarge
_CODES_OF_THE_DATA = frozenset({2, 9, 14, 121, 17280, 10334, 17419, 17420})


def is_transient(fault: BaseException) -> bool:
    """Whether waiting can help: servers away, moving, overloaded, or not yet set up.

    What only the data or our code can have caused is not transient.
    """
    if isinstance(fault, BulkWriteError):
        codes = {error["code"] for error in fault.details.get("writeErrors") or ()}
        unsure = bool(fault.details.get("writeConcernErrors"))  # a primary stepped down: nothing is sure to stay
        return not codes & _CODES_OF_THE_DATA and (unsure or codes != {_DUPLICATE_KEY})
    if isinstance(fault, PyMongoError):
        if isinstance(fault, DuplicateKeyError | DocumentTooLarge):
            return False
        if isinstance(fault, OperationFailure):
            return fault.code not in _CODES_OF_THE_DATA
        return isinstance(fault, ConnectionFailure) or fault.timeout or _is_of_the_client(fault)
    if isinstance(fault, KafkaError):
        return not isinstance(fault, _OF_THE_RECORD)
    return isinstance(fault, TransientError | OSError | TimeoutError)


def _is_of_the_client(fault: PyMongoError) -> bool:
    # InvalidDocument and InvalidBSON (of bson, no PyMongoError) are the data's; a client that is
    # closing or misconfigured raises one of these, and that is not the record's fault.
    return type(fault).__name__ in {"InvalidOperation", "ConfigurationError", "WaitQueueTimeoutError"}


def describe(fault: BaseException) -> str:
    """The class of an error, with its message only where that cannot hold a value of a record."""
    name = type(fault).__name__
    if isinstance(fault, StatedError | ConnectionFailure | KafkaError) or (
        isinstance(fault, OSError) and not isinstance(fault, UnicodeError)
    ):
        return f"{name}: {fault}"[:500]
    if isinstance(fault, OperationFailure):
        return f"{name} (code {fault.code})"
    return name


def place_of(fault: BaseException) -> str:
    """Where it was raised: `module.py:line function`, the innermost frame."""
    frames = traceback.extract_tb(fault.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno} {last.name}"
