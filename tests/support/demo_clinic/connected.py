"""The demo among containers: serves the clinic, connects it anew, and lets its outreach go on.

One program does all of it, so that a clinic dated anew never meets the organization of an earlier one.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import FrameType

import httpx

from support.demo_clinic import ZONE, build_demo_clinic, drip
from support.sandbox.clock import wall_clock

ORGANIZATION = "org_demo"
SANDBOX = "http://127.0.0.1:8400"
REQUESTS_PER_MINUTE = 6000  # Cliniko allows 200; the sandbox is on this machine
SYNC_INTERVAL_SECONDS = 15
GIVE_UP_SECONDS = 120.0

Child = subprocess.Popen[bytes]


class NotConnected(Exception):
    """Something that the demo needs did not do its part; says what."""


def reengage(*arguments: str) -> str:
    """What the operator's program prints. Raises NotConnected."""
    done = subprocess.run(
        ["reengage", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise NotConnected(f"`reengage {' '.join(arguments[:2])}` failed ({done.stdout.strip()[-300:] or 'see above'})")
    return done.stdout


def connect(key: str) -> str:
    """Add the clinic's organization, without what an earlier one held, and return a token for its outreach."""
    known = json.loads(reengage("org", "list", "--json"))
    if ORGANIZATION in [each["organization_id"] for each in known]:
        reengage("org", "remove", ORGANIZATION, "--yes")
    place = ["--time-zone", ZONE.key, "--cliniko-api-key", key, "--cliniko-base-url", f"{SANDBOX}/v1"]
    reengage("org", "add", ORGANIZATION, "--name", "Demo clinic", *place)
    pace = [f"cliniko_requests_per_minute={REQUESTS_PER_MINUTE}", f"sync_interval={SYNC_INTERVAL_SECONDS}"]
    reengage("org", "set", ORGANIZATION, *pace)
    made = reengage("token", "create", "--org", ORGANIZATION, "--role", "publisher", "--name", "demo", "--json")
    return str(json.loads(made)["token"])


def publish_the_past(gateway: str, token: str, today: date) -> None:
    """Publish the clinic's outreach up to its day."""
    _, events = build_demo_clinic(today=today, organization_id=ORGANIZATION)
    headers = {"authorization": f"Bearer {token}", "user-agent": "demo-drip"}
    with httpx.Client(base_url=gateway, headers=headers, timeout=30) as client:
        accepted = drip.publish_history(client, ORGANIZATION, events, sleep=time.sleep)
    print(f"published {accepted} of {len(events)} events of the past", file=sys.stderr)


def run(options: argparse.Namespace, children: list[Child]) -> None:
    """Go on until one of the children ends, each noted in `children`. Raises NotConnected, drip.NotPublished."""
    today = wall_clock().astimezone(ZONE).date()
    python, day = [sys.executable, "-m"], ["--today", today.isoformat()]
    clinic = ["--serve", f"{options.key}=demo", "--drift", "--requests-per-minute", str(REQUESTS_PER_MINUTE)]
    children.append(subprocess.Popen([*python, "support.sandbox", *clinic, *day]))
    _await_sandbox(options.key, children[0])
    token = connect(options.key)
    publish_the_past(options.gateway, token, today)
    reengage("sync", ORGANIZATION, "--wait")
    reengage("status", "--wait", "--timeout", "120")
    place = ["--gateway", options.gateway, "--org", ORGANIZATION, "--sandbox", SANDBOX, "--key", options.key]
    environment = {**os.environ, "DEMO_TOKEN": token}
    children.append(
        subprocess.Popen([*python, "support.demo_clinic.drip", "--no-history", *place, *day], env=environment)
    )
    options.ready_file.touch()
    print(f"the demo clinic is ready: {ORGANIZATION}", file=sys.stderr)
    while all(child.poll() is None for child in children):
        time.sleep(1)
    raise NotConnected("the sandbox or the drip ended, see above")


def _await_sandbox(key: str, sandbox: Child) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not _answers(key):
        if sandbox.poll() is not None or time.monotonic() > deadline:
            raise NotConnected("the sandbox does not answer")
        time.sleep(0.2)


def _answers(key: str) -> bool:
    try:
        return httpx.get(f"{SANDBOX}/v1/businesses", auth=(key, ""), timeout=5).is_success
    except httpx.HTTPError:
        return False


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m support.demo_clinic.connected", description=__doc__)
    parser.add_argument("--gateway", required=True, metavar="URL", help="such as http://api-gateway:8800")
    parser.add_argument(
        "--key", default=os.environ.get("DEMO_KEY"), help="the clinic's, or DEMO_KEY in the environment"
    )
    parser.add_argument("--ready-file", required=True, type=Path, help="is there once all of the clinic can be read")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; return the exit status (1: something failed, and beginning anew may help)."""
    options = arguments().parse_args(argv)
    if not options.key:
        print("demo: no key: give --key, or DEMO_KEY in the environment", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _as_interrupt)
    options.ready_file.unlink(missing_ok=True)
    children: list[Child] = []
    try:
        run(options, children)
    except KeyboardInterrupt:
        return 0
    except (NotConnected, drip.NotPublished) as problem:
        print(f"demo: {problem}", file=sys.stderr)
    finally:
        options.ready_file.unlink(missing_ok=True)
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
    return 1


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
