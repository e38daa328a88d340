"""What the logs may say: listed keys, and never a value of a record."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiokafka.errors import GroupCoordinatorNotAvailableError, NodeNotReadyError

from shared.faults import StatedError
from shared.logs import REMEMBERED_LINES, REPEATED_AFTER_SECONDS, configure_logs, log_of

PHONE = "+61400111222"


class FakeMonotonic:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic() -> FakeMonotonic:
    return FakeMonotonic()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monotonic: FakeMonotonic) -> Iterator[Any]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logs("risk-engine", "risk-engine-1", monotonic=monotonic)
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


def test_a_library_that_waits_for_kafka_to_find_its_coordinators_logs_no_error(lines: Any) -> None:
    foreign = logging.getLogger("aiokafka.consumer.group_coordinator")
    foreign.error("Group Coordinator Request failed: %s", GroupCoordinatorNotAvailableError())
    foreign.error("Group Coordinator Request failed: %s", NodeNotReadyError())
    foreign.error("failed: %(reason)s", {"reason": "another"})
    assert [(line["level"], line["event"]) for line in lines()] == [
        ("warning", "Group Coordinator Request failed: [Error 15] GroupCoordinatorNotAvailableError"),
        ("error", "Group Coordinator Request failed: NodeNotReadyError"),
        ("error", "failed: another"),
    ]


def test_a_line_of_foreign_code_that_comes_again_and_again_is_written_seldom(
    lines: Any, monotonic: FakeMonotonic
) -> None:
    away = logging.getLogger("aiokafka")
    for number in range(120):
        away.error("Unable connect to node with id %s: %s", number, "refused")
        away.error("Unable to update metadata from %s", [number])
    monotonic.now += REPEATED_AFTER_SECONDS - 0.1
    away.error("Unable connect to node with id %s: %s", 120, "refused")
    monotonic.now += 0.1
    for number in range(121, 130):
        away.error("Unable connect to node with id %s: %s", number, "refused")
    told = [(line["event"], line.get("repeated")) for line in lines()]
    assert told == [
        ("Unable connect to node with id 0: refused", None),
        ("Unable to update metadata from [0]", None),
        ("Unable connect to node with id 121: refused", 120),
    ]


def test_lines_that_differ_in_more_than_arguments_are_all_written(lines: Any) -> None:
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).error("failed")
        logging.getLogger(name).warning("failed")
        for fault in (ValueError(PHONE), KeyError(PHONE), ValueError()):
            logging.getLogger(name).error("failed", exc_info=fault)
    told = [(line["module"], line["level"], line.get("error")) for line in lines()]
    expected = [("error", None), ("warning", None), ("error", "ValueError"), ("error", "KeyError")]
    assert told == [(name, *rest) for name in ("aiokafka", "asyncio") for rest in expected]


def test_our_own_lines_are_all_written(lines: Any) -> None:
    for _ in range(50):
        log_of("sums").warning("trying again")
    assert [line["event"] for line in lines()] == ["trying again"] * 50


def test_of_lines_that_never_come_again_few_are_remembered(lines: Any) -> None:
    foreign = logging.getLogger("somewhere")
    foreign.warning("the first")
    for number in range(REMEMBERED_LINES):
        foreign.warning(f"number {number}")
    foreign.warning("the first")
    foreign.warning("number 499")
    assert [line["event"] for line in lines()][-2:] == ["number 499", "the first"]
