"""Servers of the benchmarks' own, with the real services beside them; everything ends with the run."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymongo

from local_stack import artifacts, environment, processes, servers
from local_stack.processes import Process, Program
from local_stack.settings import ROOT, Settings
from shared.identity import new_token
from shared.organizations import ClinikoAccess, Organization, OrganizationSettings
from support.servers import FOLDERS, free_ports

READY_WITHIN = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TIME_ZONE = "Australia/Sydney"
Document = dict[str, Any]


@dataclass
class Stack:
    """Kafka, MongoDB, and the services that were started here."""

    settings: Settings
    servers: dict[str, Process]
    client: pymongo.MongoClient[Document]
    services: list[Process] = field(default_factory=list)

    @property
    def database(self) -> Any:
        """What the risk engine keeps."""
        return self.client["risk_engine"]

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.settings.kafka_bootstrap_servers

    def start(self, service: str, *command: str, **variables: str) -> Process:
        """Starts one more process of a service (or another program in its stead) and waits until it is ready.

        It says so in its log; what it tells MongoDB is of no use where its clock is ahead.
        """
        instance = f"{service}-{uuid.uuid4().hex[:6]}"
        values: Mapping[str, str] = {**environment.of_instance(self.settings, instance), **variables}
        program = Program(instance, command or [self.settings.programs / service], values)
        process = processes.start(program, logs=self.settings.logs, run=self.settings.run)
        self.services.append(process)
        deadline = time.monotonic() + READY_WITHIN
        while '"event": "ready"' not in self.output_of(process):
            if not process.alive() or time.monotonic() > deadline:
                log = processes.tail(self.settings.logs / f"{instance}.log")
                raise RuntimeError(f"{instance} does not become ready:\n{log}")
            time.sleep(0.02)
        return process

    def run(self, name: str, *command: str) -> Process:
        """Starts a program of the benchmarks; its output goes to `output_of`."""
        path = f"{ROOT / 'tests'}:{ROOT / 'deploy/local'}"
        values = {
            **environment.of_instance(self.settings, name),
            "PYTHONPATH": f"{path}:{os.environ.get('PYTHONPATH', '')}",
        }
        process = processes.start(Program(name, command, values), logs=self.settings.logs, run=self.settings.run)
        self.services.append(process)
        return process

    def output_of(self, process: Process) -> str:
        """What a program has printed so far."""
        return (self.settings.logs / f"{process.name}.log").read_text()

    def stop(self, *stopped: Process) -> None:
        """Ends these services gracefully."""
        processes.stop(stopped, within=20)
        self.services = [process for process in self.services if process not in stopped]

    def stop_services(self) -> None:
        """Ends all of them."""
        self.stop(*self.services)

    def forget(self) -> None:
        """Empties the risk engine's collections; its indexes stay. No engine may run."""
        for name in self.database.list_collection_names():
            self.database[name].drop()
        self.client["reengage"]["organizations"].delete_many({})

    def add_organizations(self, *names: str) -> None:
        """Organizations as `reengage org add` stores them, with defaults; their API keys open nothing."""
        access = ClinikoAccess(base_url="https://api.au1.cliniko.com/v1", key="k", key_hash="h", contact_email="-")
        settings = OrganizationSettings(time_zone=TIME_ZONE)
        at = datetime(2025, 1, 1, tzinfo=UTC)
        self.client["reengage"]["organizations"].insert_many(
            [
                Organization(
                    _id=name, name=name, settings=settings, settings_revision=1, cliniko=access, created_at=at
                ).document()
                for name in names
            ]
        )

    def token(self, organization: str) -> str:
        """A token that may read all of the organization."""
        text, document = new_token(organization, "admin", now=datetime.now(UTC))
        self.client["reengage"]["tokens"].insert_one(document)
        return text


@contextmanager
def running(**options: Any) -> Iterator[Stack]:
    """An empty stack on free ports of the loopback interface, its data in a folder that goes with it."""
    kafka_port, mongodb_port = free_ports()
    gateway_port, _ = free_ports()
    home = FOLDERS / f"{os.getpid()}-bench-{uuid.uuid4().hex[:6]}"
    settings = Settings(
        home=home, kafka_port=kafka_port, mongodb_port=mongodb_port, gateway_port=gateway_port, **options
    )
    artifacts.fetch(settings)
    started = servers.start(settings, settings.own_servers)
    client: pymongo.MongoClient[Document] = pymongo.MongoClient(settings.mongodb_uri, w="majority", tz_aware=True)
    stack = Stack(settings, {process.name: process for process in started}, client)
    try:
        yield stack
    finally:
        stack.stop_services()
        client.close()
        processes.stop(started, within=servers.STOP_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def cpu_seconds(process: Process) -> float:
    """Processor time that a process and those it started have used."""
    return sum(_of_one(pid) for pid in _family(process.pid)) / TICKS


def _of_one(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _family(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child))]


def resident_megabytes(process: Process) -> float:
    """Memory that a process and those it started hold."""
    return resident_megabytes_of(process.pid)


def resident_megabytes_of(process: int) -> float:
    """The same, by its id."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _family(process))
    return pages * PAGE / 2**20
