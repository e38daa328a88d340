"""The whole system as its users have it: a stack of its own, a sandbox, the operator's program, HTTP.

Everything goes through the public interface; nothing here knows the services' code.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local_stack.settings import ROOT
from support.servers import FOLDERS, free_ports

Json = dict[str, Any]

_FOREIGN = {"MONGODB_URI", "KAFKA_BOOTSTRAP_SERVERS", "REENGAGE_ENCRYPTION_KEYS", "REENGAGE_HOME"}
REQUESTS_PER_MINUTE = 60_000
A_DAY = 86_400
"""Seconds: a clinic of the tests is synchronized when it is asked for, unless it says otherwise."""


class CommandFailed(AssertionError):
    """A command of the system did not end well; its output is the message."""


@dataclass
class System:
    """A running stack with a sandbox beside it."""

    home: Path
    environment: Mapping[str, str]
    gateway: str
    sandbox: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120))
    tokens: dict[str, str] = field(default_factory=dict)

    def make(self, *arguments: str) -> str:
        """Runs `make`'s commands of the local stack."""
        return self._run([sys.executable, "-m", "local_stack", *arguments])

    def reengage(self, *arguments: str, timeout: float = 900) -> Any:
        """Runs the operator's program with --json and returns the document it prints (None: nothing)."""
        printed = self._run([str(ROOT / ".venv/bin/reengage"), *arguments, "--json"], timeout)
        return json.loads(printed) if printed.strip() else None

    def _run(self, command: Sequence[str], timeout: float = 300) -> str:
        done = subprocess.run(
            command,
            env=dict(self.environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if done.returncode:
            raise CommandFailed(f"{command[1:]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    # ------------------------------------------------------------------ clinics

    def serve_clinic(self, body: Json) -> str:
        """Puts one more clinic into the sandbox; its API key."""
        key = f"{uuid.uuid4().hex}-au1"
        options = {"requests_per_minute": 10 * REQUESTS_PER_MINUTE}
        clinic = {"options": options, **body}
        self.client.put(f"{self.sandbox}/admin/clinics/{key}", json=clinic).raise_for_status()
        return key

    def add_organization(self, organization: str, key: str, settings: Json) -> None:
        """Adds the organization of a clinic with its settings, and makes a token for it."""
        self.reengage(
            *("org", "add", organization, "--name", organization),
            *("--time-zone", settings["time_zone"]),
            *("--cliniko-api-key", key, "--cliniko-base-url", f"{self.sandbox}/v1"),
        )
        values = {"cliniko_requests_per_minute": REQUESTS_PER_MINUTE, "sync_interval": A_DAY, **settings}
        values = {name: value for name, value in values.items() if name not in ("id", "time_zone")}
        self.reengage("org", "set", organization, *(f"{name}={_text(value)}" for name, value in values.items()))
        made = self.reengage("token", "create", "--org", organization, "--role", "admin")
        self.tokens[organization] = made["token"]

    def synchronize(self, organization: str, *, full: bool = False) -> None:
        """Returns when all that Cliniko tells is readable at the gateway."""
        self.reengage("sync", organization, "--wait", *(["--full"] if full else []))
        self.settle()

    def settle(self) -> None:
        """Returns when all that is in the topics is readable at the gateway."""
        self.reengage("status", "--wait", "--timeout", "600")

    def report(self, organization: str, events: Sequence[Json]) -> None:
        """Publishes outreach events over HTTP; all of them must be accepted."""
        url = f"{self.gateway}/api/v1/outreach/{organization}/events"
        for first in range(0, len(events), 500):
            batch = list(events[first : first + 500])
            answer = self.client.post(url, json=batch, headers=self._headers(organization))
            assert answer.status_code == 202, answer.text
            assert answer.json() == {"accepted": len(batch), "rejected": []}

    # ------------------------------------------------------------------ answers

    def get(self, organization: str, path: str, **parameters: Any) -> Json:
        """The body of a read route; `path` after /api/v1/ with {org} for the organization."""
        answer = self.ask(organization, path, **parameters)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def ask(self, organization: str, path: str, **parameters: Any) -> httpx.Response:
        """The response of a read route."""
        url = f"{self.gateway}/api/v1/{path.format(org=organization)}"
        return self.client.get(url, params=parameters, headers=self._headers(organization))

    def whole_list(self, organization: str, path: str, items: str, **parameters: Any) -> Json:
        """A list walked to its end: the first page's body with all items."""
        body = self.get(organization, path, **{"limit": 500, **parameters})
        cursor = body["next_cursor"]
        while cursor is not None:
            page = self.get(organization, path, **{"limit": 500, **parameters, "cursor": cursor})
            body[items] += page[items]
            cursor = page["next_cursor"]
        return body

    def change(self, method: str, path: str, body: Json | None = None) -> Json:
        """A change through the sandbox's admin side."""
        answer = self.client.request(method, f"{self.sandbox}/admin/{path}", json=body)
        answer.raise_for_status()
        told: Json = answer.json() if answer.content else {}
        return told

    def _headers(self, organization: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[organization]}"}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@contextmanager
def running_system(**environment: str) -> Iterator[System]:
    """Starts a stack on free ports, its data in a folder that goes with it, and a sandbox."""
    kafka, mongodb = free_ports()
    gateway, sandbox = free_ports()
    home = FOLDERS / f"{os.getpid()}-system-{uuid.uuid4().hex[:6]}"
    values = {
        **{name: value for name, value in os.environ.items() if name not in _FOREIGN},
        "REENGAGE_HOME": str(home),
        "REENGAGE_KAFKA_PORT": str(kafka),
        "REENGAGE_MONGODB_PORT": str(mongodb),
        "REENGAGE_GATEWAY_PORT": str(gateway),
        "PYTHONPATH": f"{ROOT / 'deploy/local'}:{ROOT / 'tests'}",
        **environment,
    }
    system = System(home, values, f"http://127.0.0.1:{gateway}", f"http://127.0.0.1:{sandbox}")
    home.mkdir(parents=True, exist_ok=True)
    with (home / "sandbox.log").open("wb") as log:
        clinic = subprocess.Popen(
            [
                *(sys.executable, "-m", "support.sandbox", "--port", str(sandbox)),
                *("--requests-per-minute", str(10 * REQUESTS_PER_MINUTE), "--serve", "unused-au1=demo"),
            ],
            env=values,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            system.make("up")
            yield system
        finally:
            system.make("down")
            clinic.terminate()
            clinic.wait(10)
            system.client.close()
    shutil.rmtree(home, ignore_errors=True)
