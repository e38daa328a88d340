"""Publishes the demo's outreach to a gateway: first all of its history, then an event at a time."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any

import httpx
import orjson

from support.demo_clinic import ZONE, build_demo_clinic
from support.demo_clinic.live import drift_events
from support.demo_clinic.phone_bookings import book_by_phone
from support.sandbox.clock import Clock, wall_clock

MOST_PER_BATCH = 1000
MOST_BYTES = 900_000  # the gateway takes 1 MiB
TRIES = 6
LONGEST_WAIT = 10.0
PAUSE_SECONDS = 60.0  # between two events that go on: half of them begin an attempt
_WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)

Event = dict[str, Any]
Sleep = Callable[[float], None]


class NotPublished(Exception):
    """The gateway did not take the events, and trying again would not help (any more)."""


def batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Cut events into batches that one request may carry."""
    batch: list[Event] = []
    size = 0
    for each in events:
        length = len(orjson.dumps(each)) + 1
        if batch and (len(batch) == MOST_PER_BATCH or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


def publish(client: httpx.Client, organization_id: str, events: list[Event], *, sleep: Sleep) -> tuple[int, list[Any]]:
    """Send one batch and return (how many were accepted, what was rejected and why).

    Sends again, with growing pauses, what failed in passing. Raises NotPublished.
    """
    url = f"/api/v1/outreach/{organization_id}/events"
    problem = ""
    for turn in range(TRIES):
        pause = min(LONGEST_WAIT, 0.5 * 2**turn)
        try:
            response = client.post(url, content=orjson.dumps(events), headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            problem = f"no answer: {error!r}"
        else:
            if response.status_code == 202:
                answer = response.json()
                return answer["accepted"], answer.get("rejected", [])
            problem = f"status {response.status_code}: {response.text[:300]}"
            if response.status_code not in _WORTH_ANOTHER_TRY:
                raise NotPublished(problem)
            told = response.headers.get("retry-after", "")
            pause = min(LONGEST_WAIT, float(told)) if told.isdigit() else pause
        if turn < TRIES - 1:
            sleep(pause)
    raise NotPublished(f"gave up after {TRIES} tries; the last: {problem}")


def publish_history(client: httpx.Client, organization_id: str, events: Sequence[Event], *, sleep: Sleep) -> int:
    """Send all events and return how many were accepted. Raises NotPublished."""
    accepted = 0
    for batch in batches(events):
        taken, rejected = publish(client, organization_id, batch, sleep=sleep)
        accepted += taken
        for each in rejected[:5]:
            print(f"rejected {each.get('id')}: {each.get('detail')}", file=sys.stderr)
    return accepted


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m support.demo_clinic.drip", description=__doc__)
    parser.add_argument("--gateway", required=True, metavar="URL", help="such as http://127.0.0.1:8000")
    parser.add_argument("--org", required=True)
    parser.add_argument("--token", default=os.environ.get("DEMO_TOKEN"), help="or DEMO_TOKEN in the environment")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patients", type=int, default=700)
    parser.add_argument("--today", type=date.fromisoformat, help="the day of the demo clinic (default: today)")
    parser.add_argument("--every", type=float, default=PAUSE_SECONDS, metavar="SECONDS")
    parser.add_argument("--count", type=int, help="stop after so many single events")
    parser.add_argument("--no-history", action="store_true")
    parser.add_argument("--sandbox", metavar="URL", help="also book there what is booked by phone")
    parser.add_argument("--key", help="the sandbox's API key")
    return parser


def run(options: argparse.Namespace, client: httpx.Client, *, clock: Clock, sleep: Sleep) -> None:
    """Publish the history, then one event after the other. Raises NotPublished."""
    today = options.today or clock().astimezone(ZONE).date()
    clinic, events = build_demo_clinic(
        options.seed, today=today, patients=options.patients, organization_id=options.org
    )
    if not options.no_history:
        accepted = publish_history(client, options.org, events, sleep=sleep)
        print(f"published {accepted} of {len(events)} events of the past", file=sys.stderr)
    live = drift_events(clock=clock, today=today, seed=options.seed, organization_id=options.org, clinic=clinic)
    for each in islice(live, options.count):
        sleep(options.every)
        publish(client, options.org, [each | {"time": _now(clock)}], sleep=sleep)
        if options.sandbox and each["data"]["outcome"] == "appointment_booked":
            book_by_phone(options.sandbox, options.key or "", each["data"]["patient_id"], now=clock())


def _now(clock: Clock) -> str:
    return clock().strftime("%Y-%m-%dT%H:%M:%SZ")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; return the exit status (1: not published, 2: wrong usage)."""
    options = arguments().parse_args(argv)
    if not options.token:
        print("drip: no token: give --token, or DEMO_TOKEN in the environment", file=sys.stderr)
        return 2
    headers = {"authorization": f"Bearer {options.token}", "user-agent": "demo-drip"}
    try:
        with httpx.Client(base_url=options.gateway, headers=headers, timeout=30) as client:
            run(options, client, clock=wall_clock, sleep=time.sleep)
    except NotPublished as error:
        print(f"drip: {options.gateway} did not take the events: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
