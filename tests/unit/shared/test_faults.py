"""Which faults are waited out, and which are a record's own."""

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, RequestTimedOutError
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from shared.faults import TransientError, describe, is_transient, place_of

WRITE_ERRORS = {"writeErrors": [{"code": 11000, "errmsg": "dup key: 0400111222"}], "writeConcernErrors": []}
CONCERN_ERRORS = {"writeErrors": [], "writeConcernErrors": [{"code": 64}]}


@pytest.mark.parametrize(
    "fault",
    [
        AutoReconnect("x"),
        NotPrimaryError("x"),
        ServerSelectionTimeoutError("x"),
        OperationFailure("x", 189),
        OperationFailure("not authorized", 13),
        OperationFailure("x", 112),
        BulkWriteError(CONCERN_ERRORS),
        BulkWriteError(WRITE_ERRORS | {"writeConcernErrors": [{"code": 189}]}),
        BulkWriteError({"writeErrors": [{"code": 189}], "writeConcernErrors": []}),
        KafkaConnectionError("x"),
        RequestTimedOutError(),
        ConnectionResetError(),
        TimeoutError(),
        TransientError("x"),
    ],
)
def test_servers_that_are_away_are_waited_for(fault: Exception) -> None:
    assert is_transient(fault)


@pytest.mark.parametrize(
    "fault",
    [
        DuplicateKeyError("x", 11000),
        DocumentTooLarge("x"),
        BulkWriteError(WRITE_ERRORS),
        OperationFailure("BadValue", 2),
        MessageSizeTooLargeError(),
        KeyError("x"),
        ValueError("x"),
        AssertionError(),
    ],
)
def test_what_the_data_or_our_code_did_is_not(fault: Exception) -> None:
    assert not is_transient(fault)


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("0400111222"),
        BulkWriteError(WRITE_ERRORS),
        OperationFailure("0400111222", 2),
        KeyError("0400111222"),
        UnicodeDecodeError("utf-8", b"0400111222", 0, 1, "0400111222"),
    ],
)
def test_a_description_never_quotes_a_value(fault: Exception) -> None:
    assert describe(fault).startswith(type(fault).__name__)
    assert "0400111222" not in describe(fault)


def test_a_description_says_which_server_is_away() -> None:
    assert describe(ServerSelectionTimeoutError("127.0.0.1:1 refused")) == (
        "ServerSelectionTimeoutError: 127.0.0.1:1 refused"
    )


def test_the_place_of_an_exception_that_was_never_raised_is_empty() -> None:
    assert place_of(ValueError()) == ""
