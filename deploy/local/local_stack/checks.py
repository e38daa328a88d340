"""What can be known to go wrong, said before anything is started."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from local_stack import artifacts, kafka, mongodb, ports
from local_stack.problems import StackError
from local_stack.settings import Settings, add_port

NEEDED_BYTES = 2_000_000_000
BUSY_ADVICE = "is taken by another program: stop that one, or choose another with"


def before_start(settings: Settings, *, extra_ports: Mapping[int, str] | None = None) -> None:
    """Raise StackError on the first thing that would stop this stack from running."""
    _disk(settings)
    _programs(settings)
    wanted = settings.own_ports()
    for port, variable in (extra_ports or {}).items():
        add_port(wanted, port, variable)
    for port, variable in wanted.items():
        if ports.busy(port):
            raise StackError(f"port {port} {BUSY_ADVICE} {variable}")
    if settings.given_mongodb and (problem := mongodb.problem_of(settings.given_mongodb)):
        raise StackError(f"the server of MONGODB_URI {problem}")
    if settings.given_kafka and not kafka.answers(settings.given_kafka):
        raise StackError("the server of KAFKA_BOOTSTRAP_SERVERS does not answer: start it, or unset the variable")


def _disk(settings: Settings) -> None:
    place = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    if not os.access(place, os.W_OK):
        raise StackError(f"{settings.home} cannot be written: choose another folder with REENGAGE_HOME")
    free = shutil.disk_usage(place).free
    if free < NEEDED_BYTES:
        raise StackError(
            f"only {free / 1e9:.1f} GB are free under {place}, 2 GB are needed: make room, or set REENGAGE_HOME"
        )


def _programs(settings: Settings) -> None:
    if not settings.given_kafka:
        if not artifacts.kafka_jars().exists():
            raise StackError("Kafka is missing: run `make install`, or set KAFKA_BOOTSTRAP_SERVERS")
        if _java_version() < 17:
            raise StackError("Java 17 or newer is missing: run `make install`, or set KAFKA_BOOTSTRAP_SERVERS")
    if not settings.given_mongodb:
        program = artifacts.mongod()
        if not program.exists():
            raise StackError("MongoDB is missing: run `make install`, or set MONGODB_URI")
        if subprocess.run([program, "--version"], capture_output=True, check=False).returncode:
            raise StackError(f"{program} does not run here: put a mongod on the PATH, or set MONGODB_URI")


def _java_version() -> int:
    """The major version of the PATH's Java; 0 when there is none."""
    java = shutil.which("java")
    if java is None:
        return 0
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    _, _, rest = said.partition('version "')
    number = rest.split(".")[0].split('"')[0]
    return int(number) if number.isdigit() else 0
