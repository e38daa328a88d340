"""The fault suite in its short form; `make test-faults` runs it longer, with other seeds and counts."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from faults.checker import check, settle
from faults.events import Told, events_of
from faults.kinds import KINDS, Scene
from faults.runs import END, SETTLES_WITHIN, Suite
from faults.stack import wait_until
from support.clinics import random_clinic
from support.servers import FOLDERS

pytestmark = pytest.mark.timeout(900)

SEED, FAULTS = 1, 9
MOST_DEAD_LETTERS = 100
"""Half of the window of `FailureLimit`."""

Do = Callable[..., Any]


async def _set_aside(suite: Suite, organization: str) -> None:
    """A record that nobody found wrong, among the dead letters."""
    producer = suite.publisher._producer
    assert producer is not None
    origin = [("dlq-topic", b"cliniko-contacts"), ("dlq-partition", b"0"), ("dlq-offset", b"0")]
    await producer.publish("cliniko-contacts-dlq", b"x", organization.encode(), origin)


@pytest.fixture(scope="module")
def do() -> Iterator[Do]:
    """Runs a function in a thread: pytest has an event loop here, the suite has its own."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda work, *arguments: thread.submit(work, *arguments).result()


@pytest.fixture(scope="module")
def suite(do: Do) -> Iterator[Suite]:
    suite = Suite(FOLDERS / f"{os.getpid()}-faults", print, 12)
    do(suite.__enter__)
    yield suite
    do(suite.__exit__)


def test_a_seeded_run_violates_nothing(suite: Suite, do: Do) -> None:
    result = do(suite.run, 1, SEED, FAULTS, None, time.monotonic() + 200)
    assert result.violations == []
    assert len(result.seen) >= 3
    assert result.commits_checked > 100


@pytest.mark.parametrize("server", ["kafka", "mongodb"])
def test_a_server_that_is_away_is_waited_for_at_rest(suite: Suite, do: Do, server: str) -> None:
    class Chosen(Random):
        def choice(self, options: Any) -> Any:
            return server if server in options else super().choice(options)

    target = do(KINDS["outage"][0], Scene(suite.stack, Chosen(1), lambda: None, 12))
    assert target.startswith(server)
    assert do(suite._recovered) < 60


def test_the_checker_sees_what_is_wrong(suite: Suite, do: Do) -> None:
    """A fact that is missing, one that counts twice, a report that was lost, a good record set aside."""

    def tamper() -> list[str]:
        clinic = random_clinic(901, patients=12, end=END)
        organization = clinic.settings["id"]
        token = suite._add_organization(organization, clinic.settings)
        suite.publisher.release(events_of(clinic, Random(901)))
        suite.publisher.finish(SETTLES_WITHIN)
        settle(suite.stack, suite.publisher, SETTLES_WITHIN)
        assert check(suite.stack, suite.publisher, clinic, token, 901) == []
        risk, tracker = suite.stack.direct["risk_engine"], suite.stack.direct["outreach_tracker"]
        risk["timelines"].update_one(
            {"organization_id": organization, "contact": {"$exists": True}}, {"$unset": {"contact": ""}}
        )
        rollup = risk["rollups"].find_one({"scope": f"{organization}|1", "_id": {"$regex": r"\|s\|$"}})
        assert rollup is not None
        part = "n" if "n" in rollup else "i"
        bucket, counters = next(iter(rollup[part].items()))
        risk["rollups"].update_one({"_id": rollup["_id"]}, {"$inc": {f"{part}.{bucket}.{next(iter(counters))}": 1}})
        tracker["patients"].delete_one({"organization_id": organization})
        suite.publisher.ask(_set_aside(suite, organization))
        return check(suite.stack, suite.publisher, clinic, token, 901)

    found = do(tamper)
    for sign in (
        "contact: version none is stored",
        "rollup s|",
        "is in only one of topic and history",
        "as of",
        "set aside, though good",
    ):
        assert any(sign in one for one in found), (sign, found)


def test_broken_code_stops_the_service_and_sets_next_to_nothing_aside(suite: Suite, do: Do) -> None:
    def broken() -> tuple[int, str, int, list[str]]:
        stack, publisher = suite.stack, suite.publisher
        for name in stack.of("risk-engine"):
            stack.send(name, signal.SIGTERM)
        wait_until(lambda: not stack.of("risk-engine"), 30, "the healthy ones end")
        clinic = random_clinic(902, patients=40, end=END)
        organization = clinic.settings["id"]
        token = suite._add_organization(organization, clinic.settings)
        publisher.release([told for told in events_of(clinic, Random(902)) if told.kind == "fact"])
        publisher.finish(SETTLES_WITHIN)
        name = stack.start_service("risk-engine", "consumer.handle:raise")
        wait_until(lambda: stack.dead(name), 120, "the broken one ends")
        process = stack.services.pop(name).child
        assert process is not None
        status, log = process.wait(), stack.log_of(name)
        letters = [
            r
            for topic in ("contacts", "appointments", "communications")
            for r in publisher.records(f"cliniko-{topic}-dlq")
        ]
        aside = [record for record in letters if organization.encode() in record.value]
        for _ in range(2):
            stack.start_service("risk-engine")
        publisher.release([Told(r.topic.removesuffix("-dlq"), r.key, r.value, "replayed") for r in aside])
        publisher.release([told for told in events_of(clinic, Random(902)) if told.kind == "outreach"])
        publisher.finish(SETTLES_WITHIN)
        settle(stack, publisher, SETTLES_WITHIN)
        left = check(stack, publisher, clinic, token, 902)
        return status, log, len(aside), [one for one in left if "set aside, though good" not in one]

    status, log, aside, violations = do(broken)
    assert status == 1
    last = [json.loads(line) for line in log.splitlines() if line.startswith("{")][-1]
    assert "failed by an error of this program; it stops, and nothing is lost" in json.dumps(last)
    assert aside <= MOST_DEAD_LETTERS
    assert violations == [], "what was set aside was replayed"
