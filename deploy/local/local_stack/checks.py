"""What can be known to go wrong, said before anything is started."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from pydantic import ValidationError

from api_gateway.settings import GatewaySettings
from ingestor.settings import IngestorSettings
from local_stack import artifacts, environment, kafka, mongodb, ports
from local_stack.problems import StackError
from local_stack.settings import Settings, add_port
from shared.settings import ServiceSettings

NEEDED_BYTES = 2_000_000_000
MUST_BE = {
    "mongo_driver": "motor or pymongo",
    "sync_interval": "a number of seconds above 0, such as 300",
    "allowed_origins": "origins such as https://app.example.com, separated by commas; never *",
}
"""What a field of the services' settings may be, in words; for others there are pydantic's."""

BUSY_ADVICE = "is taken by another program: stop that one, or choose another with"


def environment_suits(settings: Settings) -> None:
    """Raise StackError with every variable that a service would refuse to start with."""
    told = {**os.environ, **environment.without_keys(settings)}
    fields = {name.lower(): value for name, value in told.items()}
    wrong: dict[str, str] = {}
    for settings_of_service in (ServiceSettings, IngestorSettings, GatewaySettings):
        try:
            settings_of_service.model_validate(fields)
        except ValidationError as invalid:
            for error in invalid.errors():
                field = str(error["loc"][0])
                if told.get(field.upper()):  # the keys may still have to be made
                    wrong[field] = error["msg"].removeprefix("Value error, ")
    if wrong:
        raise StackError("; ".join(_refused(field, told[field.upper()], why) for field, why in wrong.items()))


def _refused(field: str, value: str, why: str) -> str:
    """In words; the value only where it is no secret."""
    if field in MUST_BE:
        return f"{field.upper()} must be {MUST_BE[field]}, not {value!r}"
    return f"{field.upper()} is wrong: {why}"


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
