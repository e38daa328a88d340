"""Where this stack lives: its folder, its ports, and the servers it was told to use."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack.problems import StackError

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "servers"
SERVICES = ("ingestor", "risk-engine", "outreach-tracker", "api-gateway")
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """One stack. Two with other ports and another home run side by side."""

    home: Path
    gateway_port: int = 8800
    kafka_port: int = 19092
    mongodb_port: int = 27117
    sandbox_port: int | None = None  # of the demo; None: the first free one from 8400 on
    given_kafka: str | None = None
    given_mongodb: str | None = None
    programs: Path = ROOT / ".venv" / "bin"
    start_timeout: float = 120.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings that the environment's variables say; a relative home lies in the checkout.

        Raises StackError on a port that is none.
        """
        return cls(
            home=ROOT / Path(environ.get("REENGAGE_HOME") or ".reengage").expanduser(),
            gateway_port=_port(environ, "REENGAGE_GATEWAY_PORT", cls.gateway_port),
            kafka_port=_port(environ, "REENGAGE_KAFKA_PORT", cls.kafka_port),
            mongodb_port=_port(environ, "REENGAGE_MONGODB_PORT", cls.mongodb_port),
            sandbox_port=_port(environ, "REENGAGE_SANDBOX_PORT", 8400)
            if environ.get("REENGAGE_SANDBOX_PORT")
            else None,
            given_kafka=environ.get("KAFKA_BOOTSTRAP_SERVERS") or None,
            given_mongodb=environ.get("MONGODB_URI") or None,
            programs=Path(environ.get("REENGAGE_PROGRAMS") or cls.programs),
            start_timeout=float(environ.get("REENGAGE_START_TIMEOUT") or cls.start_timeout),
        )

    @property
    def kafka_bootstrap_servers(self) -> str:
        """What clients connect to."""
        return self.given_kafka or f"{HOST}:{self.kafka_port}"

    @property
    def mongodb_uri(self) -> str:
        """What clients connect to."""
        return self.given_mongodb or f"mongodb://{HOST}:{self.mongodb_port}/?replicaSet=rs0"

    @property
    def gateway_url(self) -> str:
        """Where the HTTP API answers."""
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Process ids, the wanted counts and the supervisor's report."""
        return self.home / "run"

    @property
    def data(self) -> Path:
        """What the servers keep."""
        return self.home / "data"

    @property
    def own_servers(self) -> list[str]:
        """The servers that this stack brings itself; the quicker one to prepare comes first."""
        given = {"mongodb": self.given_mongodb, "kafka": self.given_kafka}
        return [name for name, address in given.items() if not address]

    def own_ports(self) -> dict[int, str]:
        """Each port that this stack binds, with the variable that moves it."""
        ports = {self.gateway_port: "REENGAGE_GATEWAY_PORT"}
        if not self.given_kafka:
            for port in (self.kafka_port, self.kafka_port + 1):
                add_port(ports, port, "REENGAGE_KAFKA_PORT")
        if not self.given_mongodb:
            add_port(ports, self.mongodb_port, "REENGAGE_MONGODB_PORT")
        return ports


def add_port(ports: dict[int, str], port: int, variable: str) -> None:
    """Note the variable that moves a port; raises StackError when another one has this port."""
    if port in ports:
        raise StackError(f"port {port} is wanted twice: give {variable} or {ports[port]} another (Kafka takes two)")
    ports[port] = variable


def _port(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65534:
        raise StackError(f"{variable} must be a port from 1 to 65534, not {text!r}")
    return int(text)
