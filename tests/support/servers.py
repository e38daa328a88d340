"""Which Kafka and MongoDB the tests use.

Those of the environment (KAFKA_BOOTSTRAP_SERVERS, MONGODB_URI) when set; else containers, where Docker answers and
has the images; else real servers of our own, started from packages on free ports. REENGAGE_TEST_SERVERS=native or
=containers decides otherwise (the latter pulls images).
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from local_stack import artifacts, processes, servers
from local_stack.ports import free as free_ports
from local_stack.settings import ROOT, Settings

KAFKA_IMAGE = "apache/kafka:4.3.1"
MONGODB_IMAGE = "mongo:8"
FOLDERS = ROOT / ".cache" / "tests"


@contextmanager
def kafka_server() -> Iterator[str]:
    """A broker's bootstrap servers."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
    elif _containers(KAFKA_IMAGE):
        from support.containers import kafka_container

        with kafka_container(KAFKA_IMAGE) as address:
            yield address
    else:
        with native_server("kafka") as settings:
            yield settings.kafka_bootstrap_servers


@contextmanager
def mongodb_server() -> Iterator[str]:
    """A replica set's URI."""
    if given := os.environ.get("MONGODB_URI"):
        yield given
    elif _containers(MONGODB_IMAGE):
        from support.containers import mongodb_container

        with mongodb_container(MONGODB_IMAGE) as uri:
            yield uri
    else:
        with native_server("mongodb") as settings:
            yield settings.mongodb_uri


@contextmanager
def native_server(name: str) -> Iterator[Settings]:
    """A server of this name ("kafka", "mongodb") from packages, its data in a folder that goes with it."""
    _clean_up_after_the_dead()
    folder = FOLDERS / f"{os.getpid()}-{name}-{uuid.uuid4().hex[:6]}"  # a test may want a second one
    kafka_port, mongodb_port = free_ports()
    settings = Settings(home=folder, kafka_port=kafka_port, mongodb_port=mongodb_port)
    artifacts.fetch(settings)
    with ThreadPoolExecutor(1) as thread:  # the probe runs a loop of its own, pytest has one here
        started = thread.submit(servers.start, settings, [name]).result()
    try:
        yield settings
    finally:
        processes.stop(started, within=servers.STOP_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _clean_up_after_the_dead() -> None:
    """End the servers of test runs that were killed, and remove their folders."""
    for folder in FOLDERS.glob("*-*"):
        if not Path("/proc", folder.name.partition("-")[0]).exists():
            processes.stop(processes.all_recorded(folder / "run"), within=servers.STOP_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)


def _containers(image: str) -> bool:
    wanted = os.environ.get("REENGAGE_TEST_SERVERS", "")
    if wanted in ("native", "containers"):
        return wanted == "containers"
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    try:
        client.images.get(image)
    except DockerException:
        return False
    finally:
        client.close()
    return True


__all__ = ["FOLDERS", "free_ports", "kafka_server", "mongodb_server", "native_server"]
