"""Real servers behind proxies, and the services as processes of their own that can be killed and frozen."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from faults.proxy import HOST, Proxy
from local_stack import artifacts, kafka, mongodb, processes
from local_stack.processes import Process, Program
from local_stack.settings import ROOT, Settings
from shared.kafka import ensure_topics
from support.servers import free_ports

SERVICES = ("risk-engine", "outreach-tracker")
KEYS = "k1:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
SERVERS_ANSWER_WITHIN = 180.0
TICKS = os.sysconf("SC_CLK_TCK")


class StackProblemError(AssertionError):
    """A server or a service did not do what the suite needs to go on."""


def wait_until(done: Callable[[], bool], within: float, what: str) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > within:
            raise StackProblemError(f"{what}: not within {within:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


class Stack:
    """Kafka, MongoDB, their proxies and the services; services know the proxies' addresses only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka_port, self.mongodb_port = free_ports()
        kafka_proxy, mongodb_proxy = free_ports()
        self.gateway_port, _ = free_ports()
        self.kafka_proxy = Proxy(kafka_proxy, self.kafka_port)
        self.mongodb_proxy = Proxy(mongodb_proxy, self.mongodb_port)
        self.kafka_address = f"{HOST}:{kafka_proxy}"
        self.mongodb_uri = f"mongodb://{HOST}:{mongodb_proxy}/?replicaSet={mongodb.REPLICA_SET}"
        self.servers: dict[str, Process] = {}
        self.services: dict[str, Process] = {}
        self.direct: MongoClient[dict[str, Any]] = MongoClient(
            f"mongodb://{HOST}:{self.mongodb_port}/?directConnection=true&readConcernLevel=majority",
            serverSelectionTimeoutMS=2_000,
            tz_aware=True,
        )

    # ------------------------------------------------------------------ servers

    def start(self) -> None:
        artifacts.fetch(Settings(home=self.folder))
        self.kafka_proxy.start()
        self.mongodb_proxy.start()
        self.start_mongodb()
        self.start_kafka()
        self.await_mongodb()
        self.await_kafka()
        asyncio.run(ensure_topics(self.kafka_address))

    def stop(self) -> None:
        for process in [*self.services.values(), *self.servers.values()]:
            process.send(signal.SIGCONT)
        self.kafka_proxy.heal()
        self.mongodb_proxy.heal()
        processes.stop(self.services.values(), within=20)
        self.direct.close()
        processes.stop(self.servers.values(), within=30)
        self.kafka_proxy.stop()
        self.mongodb_proxy.stop()

    def start_kafka(self) -> None:
        program = kafka.prepare(self.folder / "kafka", self.kafka_port)
        properties = self.folder / "kafka" / "server.properties"
        own, advertised = f"{HOST}:{self.kafka_port}", f"advertised.listeners=PLAINTEXT://{self.kafka_address}"
        properties.write_text(properties.read_text().replace(f"advertised.listeners=PLAINTEXT://{own}", advertised))
        self.servers["kafka"] = self._run(program)

    def await_kafka(self) -> float:
        """Seconds until it answers through its proxy."""
        return wait_until(lambda: kafka.answers(self.kafka_address), SERVERS_ANSWER_WITHIN, "Kafka answers")

    def start_mongodb(self) -> None:
        self.servers["mongodb"] = self._run(mongodb.prepare(self.folder / "mongodb", self.mongodb_port))

    def await_mongodb(self) -> float:
        """Seconds until it is primary; a new one is made a replica set whose member is the proxy."""
        return wait_until(self._is_primary, SERVERS_ANSWER_WITHIN, "MongoDB is primary")

    def _is_primary(self) -> bool:
        try:
            if self.direct.admin.command("hello").get("isWritablePrimary"):
                return True
            try:
                self.direct.admin.command("replSetGetConfig")
            except OperationFailure as unknown:
                if unknown.code == mongodb.NOT_YET_INITIATED:
                    member = {"_id": 0, "host": f"{HOST}:{self.mongodb_proxy.port}"}
                    config = {"_id": mongodb.REPLICA_SET, "members": [member]}
                    self.direct.admin.command("replSetInitiate", config)
        except PyMongoError:
            return False
        return False

    def _run(self, program: Program) -> Process:
        return processes.start(program, logs=self.folder / "logs", run=self.folder / "run")

    # ------------------------------------------------------------------ services

    def start_service(self, service: str, failpoint: str = "") -> str:
        """The new instance's name."""
        name = f"{service}-{uuid.uuid4().hex[:6]}"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("REENGAGE_")},
            "MONGODB_URI": self.mongodb_uri,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_address,
            "REENGAGE_ENCRYPTION_KEYS": KEYS,
            "REENGAGE_INSTANCE": name,
            "REENGAGE_FAILPOINT": failpoint,
            "REENGAGE_GATEWAY_PORT": str(self.gateway_port),
            "PYTHONUNBUFFERED": "1",
        }
        self.services[name] = self._run(Program(name, [ROOT / ".venv/bin" / service], environment))
        return name

    def of(self, service: str) -> list[str]:
        """Running instances, in the order of their start."""
        return [name for name, process in self.services.items() if name.startswith(service) and process.alive()]

    def ready(self, name: str) -> bool:
        """Whether its heartbeat says so."""
        return self.direct["reengage"]["instances"].count_documents({"instance": name, "state": "ready"}) > 0

    def send(self, name: str, number: signal.Signals) -> None:
        """Sends a signal; one that is killed is dead when this returns."""
        self.services[name].send(number)
        if number == signal.SIGKILL:
            wait_until(lambda: self.dead(name), 30, f"{name} dies")

    def dead(self, name: str) -> bool:
        return not self.services[name].alive()

    def log_of(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def cpu_seconds(self) -> float:
        """Processor time that all running services took so far."""
        total = 0
        for process in self.services.values():
            try:
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / TICKS
