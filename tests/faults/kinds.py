"""The faults: what is done to whom. Each returns its target, once what was broken is whole again."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pymongo.errors import PyMongoError

from faults.proxy import Proxy
from faults.stack import SERVICES, Stack, wait_until

RISK_ENGINE, TRACKER = SERVICES
INSTANCES = 2
"""Of each service, between faults."""

POINTS = {
    RISK_ENGINE: (
        "consumer.after_read",
        "consumer.after_store",
        "consumer.before_commit",
        "settling.before_transaction",
        "settling.before_mark_settled",
    ),
    TRACKER: (
        "consumer.after_read",
        "tracker.after_store",
        "tracker.after_publish",
        "consumer.after_store",
        "consumer.before_commit",
    ),
}
BEYOND_SESSION_SECONDS = (13.0, 16.0)
"""A group puts a member out that was silent for 10 s."""

REACHES_POINT_WITHIN = 25.0
LONGEST_CPU_SHARE = 0.6
"""Of one core, by all services together, while a server is away."""


@dataclass
class Scene:
    """What a fault works on; `feed` releases some more load."""

    stack: Stack
    rng: Random
    feed: Callable[[], None]
    outage_seconds: float = 20.0
    note: str = ""

    def some_service(self) -> str:
        return self.rng.choice(SERVICES)

    def some_instance(self) -> str:
        """One that runs, of any service."""
        service = self.some_service()
        return self.rng.choice(self.stack.of(service) or [self.stack.start_service(service)])

    def complete(self) -> None:
        """As many instances as there should be."""
        for service in SERVICES:
            for _ in range(INSTANCES - len(self.stack.of(service))):
                self.stack.start_service(service)


def kill(scene: Scene) -> str:
    name = scene.some_instance()
    scene.stack.send(name, signal.SIGKILL)
    time.sleep(scene.rng.choice((0.0, 0.0, 2.0)))
    scene.complete()
    return name.rsplit("-", 1)[0]


def kill_all(scene: Scene) -> str:
    service = scene.some_service()
    for name in scene.stack.of(service):
        scene.stack.send(name, signal.SIGKILL)
    scene.feed()
    scene.complete()
    return service


def _doomed(scene: Scene, action: str) -> tuple[str, str]:
    """One more instance that will come to a named point; its name, and the point.

    An organization is settled by one process: there it must be the only one.
    """
    service = scene.some_service()
    point = scene.rng.choice(POINTS[service])
    if point.startswith("settling."):
        others = scene.stack.of(service)
        for name in others:
            scene.stack.send(name, signal.SIGTERM)
        wait_until(lambda: all(map(scene.stack.dead, others)), 30, "the others end")
    return scene.stack.start_service(service, f"{point}:{action}:{scene.rng.choice((0, 0, 1, 3))}"), point


def kill_at_point(scene: Scene) -> str:
    name, point = _doomed(scene, "exit")
    deadline = time.monotonic() + REACHES_POINT_WITHIN
    while not scene.stack.dead(name) and time.monotonic() < deadline:
        scene.feed()
        time.sleep(0.5)
    scene.note = "at the point" if scene.stack.dead(name) else "elsewhere: the point was not reached"
    scene.stack.send(name, signal.SIGKILL)
    return f"{name.rsplit('-', 1)[0]} {point}"


def zombie(scene: Scene) -> str:
    name = scene.some_instance()
    scene.feed()
    scene.stack.send(name, signal.SIGSTOP)
    scene.feed()
    time.sleep(scene.rng.uniform(*BEYOND_SESSION_SECONDS))
    scene.stack.send(name, signal.SIGCONT)
    return name.rsplit("-", 1)[0]


def zombie_at_point(scene: Scene) -> str:
    """It stops itself with a batch in hand; others take over; then it goes on."""
    name, point = _doomed(scene, "freeze")
    deadline = time.monotonic() + REACHES_POINT_WITHIN
    while not _stopped(scene.stack, name) and time.monotonic() < deadline:
        scene.feed()
        time.sleep(0.5)
    scene.note = "at the point" if _stopped(scene.stack, name) else "elsewhere: the point was not reached"
    scene.stack.send(name, signal.SIGSTOP)
    scene.complete()
    scene.feed()
    time.sleep(scene.rng.uniform(*BEYOND_SESSION_SECONDS))
    scene.stack.send(name, signal.SIGCONT)
    time.sleep(1)
    scene.stack.send(name, signal.SIGTERM)
    return f"{name.rsplit('-', 1)[0]} {point}"


def _stopped(stack: Stack, name: str) -> bool:
    try:
        stat = Path(f"/proc/{stack.services[name].pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"


def hiccup(scene: Scene) -> str:
    """Frozen, but not for so long that the group notices."""
    name = scene.some_instance()
    scene.stack.send(name, signal.SIGSTOP)
    scene.feed()
    time.sleep(scene.rng.uniform(1, 4))
    scene.stack.send(name, signal.SIGCONT)
    return name.rsplit("-", 1)[0]


def add_and_remove(scene: Scene) -> str:
    service = scene.some_service()
    added = scene.stack.start_service(service)
    scene.feed()
    wait_until(lambda: scene.stack.ready(added), 90, f"{added} is ready")
    leaves = scene.rng.choice(scene.stack.of(service))
    scene.stack.send(leaves, signal.SIGTERM)
    scene.feed()
    wait_until(lambda: scene.stack.dead(leaves), 30, f"{leaves} ends")
    return service


def restart_kafka(scene: Scene) -> str:
    number = scene.rng.choice((signal.SIGTERM, signal.SIGKILL))
    broker = scene.stack.servers["kafka"]
    broker.send(number)
    wait_until(lambda: not broker.alive(), 60, "Kafka ends")
    scene.feed()
    scene.stack.start_kafka()
    scene.stack.await_kafka()
    return f"kafka {number.name}"


def restart_mongodb(scene: Scene) -> str:
    number = scene.rng.choice((signal.SIGTERM, signal.SIGKILL))
    server = scene.stack.servers["mongodb"]
    server.send(number)
    wait_until(lambda: not server.alive(), 60, "MongoDB ends")
    scene.feed()
    scene.stack.start_mongodb()
    scene.stack.await_mongodb()
    return f"mongodb {number.name}"


def step_down(scene: Scene) -> str:
    seconds = scene.rng.choice((1, 3, 6))
    scene.feed()
    try:
        scene.stack.direct.admin.command("replSetStepDown", seconds, force=True)
    except PyMongoError:
        scene.note = "the answer was lost"
    scene.stack.await_mongodb()
    return f"mongodb for {seconds} s"


def _network(scene: Scene, do: Callable[[Proxy], None], seconds: float) -> str:
    name = scene.rng.choice(("kafka", "mongodb"))
    proxy = scene.stack.kafka_proxy if name == "kafka" else scene.stack.mongodb_proxy
    do(proxy)
    scene.feed()
    time.sleep(seconds)
    proxy.heal()
    return f"{name} for {seconds:.1f} s"


def cut(scene: Scene) -> str:
    return _network(scene, Proxy.cut, scene.rng.uniform(0.5, 5))


def reset(scene: Scene) -> str:
    return _network(scene, Proxy.reset, 0.2)


def black_hole(scene: Scene) -> str:
    return _network(scene, Proxy.pause, scene.rng.uniform(2, 7))


def delay(scene: Scene) -> str:
    seconds = scene.rng.choice((0.02, 0.1, 0.3))
    return _network(scene, lambda proxy: proxy.delay(seconds), 4) + f", {seconds} s each"


def outage(scene: Scene) -> str:
    """A server is away for long: the services wait, and need little for it."""
    name = scene.rng.choice(("kafka", "mongodb"))
    proxy = scene.stack.kafka_proxy if name == "kafka" else scene.stack.mongodb_proxy
    proxy.cut()
    scene.feed()
    time.sleep(3)
    before = scene.stack.cpu_seconds()
    time.sleep(scene.outage_seconds)
    share = (scene.stack.cpu_seconds() - before) / scene.outage_seconds
    proxy.heal()
    scene.note = f"{share:.0%} of a core meanwhile"
    assert share < LONGEST_CPU_SHARE, f"the services took {scene.note}"
    return f"{name} for {scene.outage_seconds:.0f} s"


KINDS: dict[str, tuple[Callable[[Scene], str], int]] = {
    "kill": (kill, 6),
    "kill-all": (kill_all, 3),
    "kill-at-point": (kill_at_point, 8),
    "zombie": (zombie, 3),
    "zombie-at-point": (zombie_at_point, 3),
    "hiccup": (hiccup, 3),
    "rebalance": (add_and_remove, 4),
    "kafka-restart": (restart_kafka, 3),
    "mongodb-restart": (restart_mongodb, 3),
    "step-down": (step_down, 5),
    "cut": (cut, 5),
    "reset": (reset, 4),
    "black-hole": (black_hole, 4),
    "delay": (delay, 3),
    "outage": (outage, 1),
}
"""Each with its weight."""
