"""Are the servers there, fit, and set up as the services need them?"""

import shutil
import stat
from collections.abc import Iterable
from datetime import UTC, timedelta

from reengage.checks.findings import Finding, fine, problem
from reengage.control import Control
from reengage.offsets import Kafka
from reengage.surroundings import Surroundings
from shared.topics import PARTITIONS, TOPICS

LEAST_FREE_BYTES = 2 * 1024**3
LEAST_FREE_SHARE = 0.05
"""Both servers stop when the disk is full; this leaves time to act."""

LARGEST_CLOCK_DIFFERENCE = timedelta(seconds=2)
"""Heartbeats are told by one clock and read by another, and count for five seconds."""


def configuration(surroundings: Surroundings) -> Iterable[Finding]:
    """Where the addresses come from, and that nobody else reads them: they hold keys."""
    file = surroundings.stack_file
    if file is None:
        yield fine("configuration", "exported variables alone: no stack.env")
        return
    yield fine("configuration", f"exported variables, then {file}")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield problem("configuration", f"others may read {file}, which holds keys", f"chmod 600 {file}")


def disk(surroundings: Surroundings) -> Finding:
    """Whether the stack's disk has room."""
    place = next(folder for folder in (surroundings.home, *surroundings.home.parents) if folder.is_dir())
    usage = shutil.disk_usage(place)
    return _room("disk", usage.free, usage.total, f"of {place}")


def _room(check: str, free: float, total: float, where: str) -> Finding:
    found = f"{free / 1024**3:.1f} GiB free {where}"
    if free < LEAST_FREE_BYTES or free < LEAST_FREE_SHARE * total:
        return problem(check, found, "make room: Kafka and MongoDB stop when their disk is full")
    return fine(check, found)


async def mongodb(control: Control) -> list[Finding]:
    """Whether MongoDB is a replica set with a primary, agrees on the time, and has room."""
    hello = await control.client["admin"].command("hello")
    findings = []
    if hello.get("setName") and hello.get("isWritablePrimary"):
        findings.append(fine("MongoDB", f"replica set {hello['setName']}, primary {hello.get('me', 'there')}"))
    else:
        advice = "the services need transactions: run mongod with --replSet and initiate it (docs/operations.md)"
        findings.append(problem("MongoDB", "not the primary of a replica set", advice))
    apart = abs(hello["localTime"].replace(tzinfo=UTC) - control.now())
    if apart > LARGEST_CLOCK_DIFFERENCE:
        found = f"MongoDB's clock and this one are {apart.total_seconds():.0f} s apart"
        findings.append(problem("clock", found, "let both machines follow the same time server"))
    else:
        findings.append(fine("clock", "MongoDB's and this one agree"))
    stats = await control.own.command("dbStats")
    if total := stats.get("fsTotalSize"):
        findings.append(_room("MongoDB's disk", total - stats["fsUsedSize"], total, "on its disk"))
    return findings


async def kafka(kafka: Kafka) -> list[Finding]:
    """Whether Kafka has all topics, with the partitions that the services rely on."""
    cluster = await kafka.admin.describe_cluster()
    findings = [fine("Kafka", f"{len(cluster['brokers'])} broker(s)")]
    names = [name for topic in TOPICS for name in (topic.name, topic.dead_letters)]
    counts = {name: len(partitions) for name, partitions in (await kafka.partitions(names)).items()}
    if missing := [name for name, count in counts.items() if not count]:
        advice = "start the services: they create what is missing"
        findings.append(problem("topics", f"missing: {', '.join(missing)}", advice))
    if other := [topic.name for topic in TOPICS if counts[topic.name] not in (0, PARTITIONS)]:
        advice = f"the services refuse to start: delete and fill them anew, with {PARTITIONS} partitions each"
        findings.append(problem("topics", f"not {PARTITIONS} partitions: {', '.join(other)}", advice))
    if not missing and not other:
        findings.append(fine("topics", f"all {len(names)}, with {PARTITIONS} partitions"))
    return findings
