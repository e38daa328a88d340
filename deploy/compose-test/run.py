"""Brings the whole system up from images, imports a clinic, asks the four endpoints, scales, and takes it all down.

Needs Docker with Compose and any Python 3.11. Leaves no container, network, volume or image of its own behind.
"""

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = f"reengage-test-{os.getpid()}"
ORGANIZATION = "org_demo"
LONGEST_SECONDS = 900
BUILD_SECONDS, START_SECONDS, STEP_SECONDS = 480, 240, 180
TAG = f"test-{os.getpid()}"
IMAGES = ("ingestor", "risk-engine", "outreach-tracker", "api-gateway", "sandbox")
ENVIRONMENT = {
    **os.environ,
    "COMPOSE_PROJECT_NAME": PROJECT,
    "COMPOSE_PROGRESS": "quiet",
    "REENGAGE_TAG": TAG,
    "REENGAGE_IMAGES": "reengage",
    "REENGAGE_GATEWAY_PORTS": "18800-18809",
    "REENGAGE_ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    "SYNC_INTERVAL": "15",
}


class CheckError(Exception):
    """Says what was not as it must be."""


def main() -> int:
    """Returns 0 when all of it held."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _interrupted)
    signal.alarm(LONGEST_SECONDS)
    began = time.monotonic()
    try:
        for name, step in STEPS:
            since = time.monotonic()
            step()
            print(f"compose: {name} ({time.monotonic() - since:.0f} s)", flush=True)
    except CheckError as problem:
        print(f"compose: FAILED at {name!r}: {problem!s}", file=sys.stderr)
        _show_what_happened()
        return 1
    finally:
        signal.alarm(0)
        _take_down()
    print(f"compose: {len(STEPS)} steps passed in {time.monotonic() - began:.0f} s")
    return 0


def _interrupted(number: int, _frame: FrameType | None) -> None:
    raise CheckError("it took too long" if number == signal.SIGALRM else "interrupted")


def _compose(*arguments: str, within: float = STEP_SECONDS) -> str:
    """What `docker compose` prints; raises CheckError with its last words."""
    command = ["docker", "compose", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
    except subprocess.TimeoutExpired:
        raise CheckError(f"{' '.join(command)} took longer than {within} s") from None
    if done.returncode:
        raise CheckError(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout


def _reengage(*arguments: str) -> str:
    return _compose("run", "--rm", "-T", "--quiet-pull", "reengage", *arguments)


def _build() -> None:
    _compose("--profile", "*", "build", "--quiet", within=BUILD_SECONDS)


def _start() -> None:
    _compose("up", "--detach", "--wait", within=START_SECONDS)


def _import_a_clinic() -> None:
    _compose("up", "--detach", "--wait", "--no-recreate", "demo")


def _ask_the_endpoints() -> None:
    made = json.loads(_reengage("token", "create", "--org", ORGANIZATION, "--role", "viewer", "--json"))
    metrics = _get("risk-metrics", made["token"])
    levels = metrics["risk_summary"]
    _must(set(levels) == {"critical_risk", "high_risk", "medium_risk", "low_risk", "engaged"}, f"levels: {levels}")
    patients = sum(levels.values())
    _must(patients > 0, "nobody was imported")
    listed = _get("patients/prioritized?limit=500", made["token"])
    _must(listed["total_count"] == patients, f"{listed['total_count']} patients listed, {patients} counted")
    scores = [patient["risk_score"] for patient in listed["patients"]]
    _must(scores == sorted(scores, reverse=True), "the list is not sorted by risk")
    performance = _get("performance?days=30", made["token"])
    _must(performance["reengagement_metrics"]["outreach_attempts"] > 0, "no outreach was published")
    trends = _get("trends?period=30d", made["token"])
    _must(len(trends) > 1, f"trends hold {sorted(trends)}")
    _must(_status("risk-metrics", "wrong") == 401, "a wrong token is not refused")


def _begin_the_clinic_anew() -> None:
    _compose("up", "--detach", "--wait", "--no-deps", "--force-recreate", "demo")
    _ask_the_endpoints()
    known = {row["organization_id"]: row for row in json.loads(_reengage("status", "--json"))["organizations"]}
    _must(known[ORGANIZATION]["last_error"] is None, f"the clinic that began anew: {known[ORGANIZATION]}")


def _scale() -> None:
    _compose("up", "--detach", "--wait", "--no-recreate", "--scale", "risk-engine=2", "--scale", "api-gateway=2")
    running = _compose("ps", "--format", "json", "risk-engine", "api-gateway")
    states = [json.loads(line) for line in running.splitlines()]
    _must([state["Health"] for state in states] == ["healthy"] * 4, f"states: {states}")
    for index in ("1", "2"):
        _must(_ready(index), f"gateway {index} is not ready")
    services = json.loads(_reengage("status", "--json"))["services"]
    engines = [row for row in services if row["name"] == "risk-engine" and row["state"] == "ready"]
    _must(len(engines) == 2, f"two risk engines are wanted, these are there: {services}")


def _gateway(index: str = "1") -> str:
    return f"http://{_compose('port', '--index', index, 'api-gateway', '8800').strip()}"


def _ready(index: str) -> bool:
    with urllib.request.urlopen(f"{_gateway(index)}/readyz", timeout=10) as answer:  # noqa: S310 - our own
        return bool(answer.status == 200)


def _get(path: str, token: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(_request(path, token), timeout=30) as answer:  # noqa: S310 - our own
            body: dict[str, Any] = json.loads(answer.read())
    except OSError as problem:
        raise CheckError(f"{path}: {problem}") from problem
    _must(body.get("organization_id", ORGANIZATION) == ORGANIZATION, f"{path}: another organization's")
    return body


def _status(path: str, token: str) -> int:
    try:
        with urllib.request.urlopen(_request(path, token), timeout=30) as answer:  # noqa: S310 - our own
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return problem.code


def _request(path: str, token: str) -> urllib.request.Request:
    url = f"{_gateway()}/api/v1/reengagement/{ORGANIZATION}/{path}"
    return urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - our own


def _must(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CheckError(otherwise)


def _show_what_happened() -> None:
    for command in (["ps", "--all"], ["logs", "--no-color", "--tail", "8", "--no-log-prefix"]):
        try:
            print(_compose(*command, within=30)[-8000:], file=sys.stderr)
        except CheckError as problem:
            print(problem, file=sys.stderr)


def _take_down() -> None:
    try:
        _compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20", within=120)
    except CheckError as problem:
        print(f"compose: not everything could be removed: {problem}", file=sys.stderr)
    if not os.environ.get("REENGAGE_KEEP_IMAGES"):
        images = [f"reengage/{name}:{TAG}" for name in IMAGES]
        subprocess.run(["docker", "image", "rm", *images], capture_output=True, check=False, timeout=60)


STEPS: list[tuple[str, Callable[[], None]]] = [
    ("images built", _build),
    ("everything healthy", _start),
    ("a clinic imported", _import_a_clinic),
    ("the endpoints answer as they must", _ask_the_endpoints),
    ("the clinic begun anew", _begin_the_clinic_anew),
    ("scaled to two risk engines and two gateways", _scale),
]

if __name__ == "__main__":
    sys.exit(main())
