"""What the logs may say: listed keys, and never a value of a record."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.faults import StatedError
from shared.logs import configure_logs, log_of

PHONE = "+61400111222"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logs("risk-engine", "risk-engine-1")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_json_with_its_origin(lines: Any) -> None:
    log_of("sums").info("summed", count=3, organization_id="org_x")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "summed",
        "level": "info",
        "module": "sums",
        "service": "risk-engine",
        "instance": "risk-engine-1",
        "count": 3,
        "organization_id": "org_x",
    }


def test_a_number_that_json_does_not_know_is_text(lines: Any) -> None:
    log_of("sums").info("summed", waited=float("nan"), seconds=float("-inf"), milliseconds=0.5)
    (line,) = lines()
    assert (line["waited"], line["seconds"], line["milliseconds"]) == ("nan", "-inf", 0.5)


def test_keys_that_are_not_listed_are_dropped_and_counted(lines: Any) -> None:
    log_of("sums").info("summed", phone=PHONE, name="Kim", count=1)
    (line,) = lines()
    assert line["dropped"] == 2
    assert PHONE not in json.dumps(line)
    assert "Kim" not in json.dumps(line)


def test_an_exception_is_told_by_its_class_and_place(lines: Any) -> None:
    try:
        raise ValueError(f"no such phone: {PHONE}")
    except ValueError as fault:
        log_of("sums").error("failed", error=fault)
        log_of("sums").exception("failed")
    for line in lines():
        assert line["error"] == "ValueError"
        assert line["place"].startswith("test_logs.py:")
        assert PHONE not in json.dumps(line)


def test_errors_of_our_own_may_say_more(lines: Any) -> None:
    log_of("sums").error("failed", error=StatedError("Kafka is away"))
    assert lines()[0]["error"] == "StatedError: Kafka is away"


def test_foreign_code_is_heard_from_warning_on_without_its_arguments(lines: Any) -> None:
    logging.getLogger("somewhere").info("quiet")
    logging.getLogger("somewhere").warning("refused %s", PHONE)
    logging.getLogger("aiokafka.client").warning("node %s is away", 1)
    told = lines()
    assert [line["event"] for line in told] == ["refused %s", "node 1 is away"]
    assert PHONE not in json.dumps(told)
