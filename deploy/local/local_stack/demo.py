"""The whole system with a made-up clinic, until Ctrl-C."""

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import httpx

from local_stack import board, checks, commands, environment, organization, ports, processes
from local_stack.organization import KEY_FILE, ORGANIZATION, WAY_IN_FILE, reengage
from local_stack.problems import StackError
from local_stack.processes import Process, Program
from local_stack.settings import HOST, ROOT, Settings

USUAL_SANDBOX_PORT = 8400
TIME_ZONE = "Australia/Melbourne"
SYNC_INTERVAL_SECONDS = "15"
REQUESTS_PER_MINUTE = "6000"  # Cliniko allows 200; the sandbox is on this machine
GIVE_UP_SECONDS = 120.0
STATUS_SECONDS = 3.0


def run(settings: Settings) -> int:
    """Start everything, show the way in, stay until told to end, end everything. Returns the exit status."""
    if board.has_supervisor(settings):
        raise StackError(f"the stack in {settings.home} is already running: run `make down` first")
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT, too: a shell's background job would ignore it
        signal.signal(number, _as_interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
        signal.signal(signal.SIGHUP, _as_interrupt)
    os.environ.setdefault("SYNC_INTERVAL", SYNC_INTERVAL_SECONDS)
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        demo = _Demo(settings)
        chosen = {settings.sandbox_port: "REENGAGE_SANDBOX_PORT"} if settings.sandbox_port else {}
        commands.up(settings, extra_ports=chosen, beside=demo.start_the_clinic)
        demo.prepare()
        demo.show_the_way_in()
        return demo.stay()
    except KeyboardInterrupt:
        print("\nstopping")
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        commands.down(settings)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _listener(settings: Settings) -> socket.socket:
    """Where the sandbox will listen: the port that was chosen, else the first free one."""
    if settings.sandbox_port is None:
        return ports.listener_from(USUAL_SANDBOX_PORT, without=settings.own_ports())
    try:
        return ports.listener(settings.sandbox_port)
    except OSError:
        raise StackError(f"port {settings.sandbox_port} {checks.BUSY_ADVICE} REENGAGE_SANDBOX_PORT") from None


class _Demo:
    """The clinic beside a running stack."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = {
            **os.environ,
            **environment.of_stack(settings),
            "PYTHONPATH": str(ROOT / "tests"),
            "PYTHONUNBUFFERED": "1",
        }
        self._sandbox_url = ""
        self._key = self._clinic_key()
        self._today = datetime.now(ZoneInfo(TIME_ZONE)).date().isoformat()
        self._token = ""
        self._started: dict[str, Process] = {}

    def start_the_clinic(self) -> None:
        """Start what imitates Cliniko; it needs a moment until it answers."""
        clinic = ["--serve", f"{self._key}=demo", "--drift", "--today", self._today]
        with _listener(self._settings) as listener:
            self._sandbox_url = f"http://{HOST}:{listener.getsockname()[1]}"
            here = ["--fd", str(listener.fileno()), "--requests-per-minute", REQUESTS_PER_MINUTE]
            command = [sys.executable, "-m", "support.sandbox", *clinic, *here]
            self._start(Program("sandbox", command, files=[listener.fileno()]))

    def prepare(self) -> None:
        """Connect the clinic, publish its outreach, and wait until all of it can be read."""
        self._await("sandbox", self._clinic_answers)
        self._add_organization()
        self._token = self._new_token()
        print("importing the clinic", flush=True)
        place = ["--gateway", self._settings.gateway_url, "--org", ORGANIZATION, "--today", self._today]
        bookings = ["--sandbox", self._sandbox_url, "--key", self._key]
        self._environment["DEMO_TOKEN"] = self._token
        self._start(Program("drip", [sys.executable, "-m", "support.demo_clinic.drip", *place, *bookings]))
        reengage(self._settings, "sync", ORGANIZATION, "--wait")
        self._await("drip", self._outreach_is_published)
        reengage(self._settings, "status", "--wait", "--timeout", "120")

    def _start(self, program: Program) -> None:
        self._started[program.name] = processes.start(
            replace(program, environment=self._environment), logs=self._settings.logs, run=self._settings.run / "demo"
        )

    def _clinic_key(self) -> str:
        """The clinic's key, the same at every start of this home."""
        file = self._settings.home / KEY_FILE
        if not file.exists():
            processes.write_whole(file, f"demo-{secrets.token_hex(16)}-au1\n", mode=0o600)
        return file.read_text().strip()

    def _await(self, name: str, reached: Callable[[], bool]) -> None:
        """Return once that is so; raises StackError when its program ended, or takes too long."""
        process = self._started[name]
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while not reached():
            if time.monotonic() > deadline or not process.alive():
                raise StackError(f"the {name} does not get on, see {process.log}:\n{process.last_words()}")
            time.sleep(0.1)

    def _clinic_answers(self) -> bool:
        try:
            return httpx.get(f"{self._sandbox_url}/v1/businesses", auth=(self._key, ""), timeout=5).is_success
        except httpx.HTTPError:
            return False

    def _outreach_is_published(self) -> bool:
        return "events of the past" in self._started["drip"].last_words()

    def _add_organization(self) -> None:
        organization.remove(self._settings)
        key = ["--cliniko-api-key", self._key, "--cliniko-base-url", f"{self._sandbox_url}/v1"]
        reengage(self._settings, "org", "add", ORGANIZATION, "--name", "Demo clinic", "--time-zone", TIME_ZONE, *key)
        reengage(self._settings, "org", "set", ORGANIZATION, f"cliniko_requests_per_minute={REQUESTS_PER_MINUTE}")

    def _new_token(self) -> str:
        made = reengage(
            self._settings, "token", "create", "--org", ORGANIZATION, "--role", "admin", "--name", "demo", "--json"
        )
        return str(json.loads(made)["token"])

    def show_the_way_in(self) -> None:
        """Print it, and write it for programs."""
        gateway = self._settings.gateway_url
        way_in = {"gateway": gateway, "organization_id": ORGANIZATION, "token": self._token}
        file: Path = self._settings.home / WAY_IN_FILE
        processes.write_whole(file, json.dumps(way_in, indent=2) + "\n", mode=0o600)
        print(
            f"\nThe demo clinic is ready.\n\n  API       {gateway}/docs\n  sandbox   {self._sandbox_url}/v1 (imitates Cliniko)"
        )
        print(f"  token     {self._token}\n  for programs: {file}\n")
        for path in ("risk-metrics", "patients/prioritized?risk_level=critical&limit=3", "performance?days=30"):
            print(
                f"curl -s -H 'Authorization: Bearer {self._token}' '{gateway}/api/v1/reengagement/{ORGANIZATION}/{path}'"
            )
        print("\nCtrl-C ends all of it.\n", flush=True)

    def stay(self) -> int:
        """Show how it goes until interrupted. Returns 1 when the stack ended by itself."""
        while board.has_supervisor(self._settings):
            if sys.stdout.isatty():
                print(f"\r\033[K{self._status_line()}", end="", flush=True)
            time.sleep(STATUS_SECONDS)
        print(f"the stack ended, see {self._settings.logs}", file=sys.stderr)
        return 1

    def _status_line(self) -> str:
        units = board.reported(self._settings).get("units", [])
        not_ready = [unit["name"] for unit in units if unit["state"] != "ready"]
        processes_line = f"not ready: {', '.join(not_ready)}" if not_ready else f"{len(units)} processes ready"
        return f"{time.strftime('%H:%M:%S')}  {processes_line}{self._numbers()}"

    def _numbers(self) -> str:
        url = f"{self._settings.gateway_url}/api/v1/reengagement/{ORGANIZATION}/risk-metrics"
        try:
            answer = httpx.get(url, headers={"Authorization": f"Bearer {self._token}"}, timeout=2)
            levels: dict[str, int] = answer.json()["risk_summary"]
        except (httpx.HTTPError, ValueError, KeyError):
            return ""
        return "".join(f" · {name.removesuffix('_risk')} {count}" for name, count in levels.items())
