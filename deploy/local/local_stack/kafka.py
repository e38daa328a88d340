"""A Kafka broker of one's own: KRaft, one node, loopback only."""

import asyncio
import logging
import shutil
import socket
import subprocess
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from local_stack import artifacts
from local_stack.problems import StackError
from local_stack.processes import Program
from local_stack.settings import HOST

CLUSTER_ID = "UmVlbmdhZ2VMb2NhbEthZg"  # any 16 bytes: one folder is one cluster
HEAP = ("-Xms256m", "-Xmx768m")
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}
auto.create.topics.enable=false
message.max.bytes=4194304
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"""


def prepare(folder: Path, port: int) -> Program:
    """The broker's program, its folder formatted at the first start. Its controller takes the next port."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "server.properties"
    logs = folder / "log"
    configuration.write_text(PROPERTIES.format(host=HOST, port=port, controller=port + 1, folder=logs))
    if not (logs / "meta.properties").exists():
        command = [*_java("-Xmx128m"), "kafka.tools.StorageTool"]
        command += ["format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(configuration)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(
                f"Kafka's folder {logs} could not be prepared: {(done.stdout + done.stderr).strip()[-300:]}"
            )
    return Program("kafka", [*_java(*HEAP), "kafka.Kafka", str(configuration)])


def _java(*options: str) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise StackError("Java 17 is missing: run `make install`")
    home = artifacts.kafka_home()
    log4j = home / "config" / "log4j2.yaml" if home else None
    logging_options = [f"-Dlog4j2.configurationFile={log4j}"] if log4j and log4j.exists() else []
    return [
        java,
        *options,
        "-XX:TieredStopAtLevel=1",  # measured on 2 cores: half the processor time, at the start and for 100,000 records
        "-XX:+UseSerialGC",
        "-Xshare:auto",
        "-Djava.net.preferIPv4Stack=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        *logging_options,
        "-cp",
        f"{artifacts.kafka_jars()}/*",
    ]


def answers(bootstrap_servers: str) -> bool:
    """Whether a broker takes requests there now. Not to be called from within an event loop."""
    if not any(_listens(address.strip()) for address in bootstrap_servers.split(",")):
        return False
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return asyncio.run(_has_brokers(bootstrap_servers))


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except (OSError, ValueError):
        return False
    return True


async def _has_brokers(bootstrap_servers: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=2000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
