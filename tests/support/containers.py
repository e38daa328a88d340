"""Kafka and MongoDB as containers, on ports of the loopback interface, by testcontainers."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import docker
from docker.errors import DockerException
from pymongo import MongoClient


def _reaper_is_here() -> bool:
    try:
        return any("testcontainers/ryuk" in tag for image in docker.from_env().images.list() for tag in image.tags)
    except DockerException:
        return False


if not _reaper_is_here():  # before testcontainers reads it
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

from testcontainers.core.container import DockerContainer  # noqa: E402
from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: E402

HOST = "127.0.0.1"
START_SCRIPT = "/tmp/advertise.sh"


class ApacheKafkaContainer(DockerContainer):
    """apache/kafka, which testcontainers' own class cannot drive.

    The broker must advertise the port that Docker chose, which is known only once the container runs: so its command
    waits for a script that says it.
    """

    PORT = 9092

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self.ports[f"{self.PORT}/tcp"] = (HOST, None)
        self.with_command(
            [
                "sh",
                "-c",
                f"while [ ! -f {START_SCRIPT} ]; do sleep 0.1; done; . {START_SCRIPT}; exec /etc/kafka/docker/run",
            ]
        )
        settings = {
            "NODE_ID": "1",
            "PROCESS_ROLES": "broker,controller",
            "LISTENERS": f"PLAINTEXT://:{self.PORT},BROKER://:9094,CONTROLLER://:9093",
            "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "INTER_BROKER_LISTENER_NAME": "BROKER",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "OFFSETS_TOPIC_NUM_PARTITIONS": "1",
            "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        }
        for name, value in settings.items():
            self.with_env(f"KAFKA_{name}", value)

    def start(self) -> Self:
        """Return when the broker answers."""
        super().start()
        advertised = f"PLAINTEXT://{HOST}:{self.get_exposed_port(self.PORT)},BROKER://localhost:9094"
        script = f"export KAFKA_ADVERTISED_LISTENERS={advertised}\n"
        self.copy_into_container(script.encode(), START_SCRIPT)
        LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(120).wait_until_ready(self)
        return self


@contextmanager
def kafka_container(image: str) -> Iterator[str]:
    """A broker's bootstrap servers."""
    with _running(ApacheKafkaContainer(image)) as container:
        yield f"{HOST}:{container.get_exposed_port(ApacheKafkaContainer.PORT)}"


@contextmanager
def mongodb_container(image: str) -> Iterator[str]:
    """A replica set's URI. The set calls itself by a name of the container's inside: so one must connect directly."""
    container = DockerContainer(image).with_command(
        ["--replSet", "rs0", "--bind_ip_all", "--wiredTigerCacheSizeGB", "1"]
    )
    container.ports["27017/tcp"] = (HOST, None)
    with _running(container.waiting_for(LogMessageWaitStrategy("Waiting for connections").with_startup_timeout(120))):
        uri = f"mongodb://{HOST}:{container.get_exposed_port(27017)}/?directConnection=true"
        _initiate(uri)
        yield uri


@contextmanager
def _running(container: DockerContainer) -> Iterator[DockerContainer]:
    """Started, and removed also when it was interrupted while it started."""
    try:
        yield container.start()
    finally:
        container.stop()


def _initiate(uri: str) -> None:
    with MongoClient(uri, serverSelectionTimeoutMS=30_000) as client:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": "localhost:27017"}]})
        deadline = time.monotonic() + 30
        while not client.admin.command("hello")["isWritablePrimary"]:
            if time.monotonic() > deadline:
                raise TimeoutError("the replica set has no primary")
            time.sleep(0.05)
