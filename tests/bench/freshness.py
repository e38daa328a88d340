"""How long an event takes from Kafka to the gateway's answers, while 500 others come every second."""

import asyncio
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

from aiokafka import AIOKafkaProducer

from bench import load
from bench.asking import Client
from bench.consumption import GROUP, wait_settled
from bench.publishing import Group, median, percentile, publish
from bench.report import Figure, at_most, plain
from bench.stack import Stack
from rules.instants import DAY
from shared.clock import SystemClock

ORGANIZATION = "org_fresh"
RATE = 500
TICK = 0.02
POLL = 0.01
POLL_SUMS = 0.05
"""Seconds; asking is work, too, on the machine that is measured."""

VISIBLE_WITHIN_MS = 500
SETTLED_WITHIN_MS = 2_000


async def freshness(stack: Stack, *, quick: bool) -> list[Figure]:
    """New patients are published among a steady stream of events, and looked for at the gateway."""
    seconds, rate, crowd = (4, 100, 200) if quick else (30, RATE, 3_000)
    stack.add_organizations(ORGANIZATION)
    engine = stack.start(GROUP)
    stack.start("api-gateway")
    of = load.patients(ORGANIZATION, crowd)
    total = await publish(stack.kafka, load.events_of(of, seed=2, now=SystemClock().now()))
    async with Group(stack.kafka, GROUP) as group:
        await group.watch(total, within=120, alive=engine.alive)
    await wait_settled(stack, within=120, alive=engine.alive)
    client = Client(stack.settings.gateway_port, ORGANIZATION, stack.token(ORGANIZATION))
    with Stream(stack.kafka, of, rate) as stream:
        await asyncio.sleep(min(2, seconds / 4))
        probes = list(_probe(client, stream, seconds))
        sent = stream.rate()
    client.close()
    seen, settled = [p[0] for p in probes], [p[1] for p in probes]
    return [
        plain("events a second beside the probes", sent),
        plain("probes: patients published and looked for", len(probes)),
        plain("event to patient at the gateway, median", median(seen), " ms"),
        at_most("event to patient at the gateway, p99", percentile(seen, 0.99), VISIBLE_WITHIN_MS, " ms"),
        plain("event to risk-metrics at the gateway, median", median(settled), " ms"),
        plain("event to risk-metrics at the gateway, p99", percentile(settled, 0.99), " ms"),
        at_most("event to settled sums, longest", max(settled), SETTLED_WITHIN_MS, " ms"),
    ]


def _probe(client: Client, stream: "Stream", seconds: float) -> Iterator[tuple[float, float]]:
    ended = time.monotonic() + seconds
    number = 0
    while time.monotonic() < ended:
        before = _total(client)
        patient = load.Patient(ORGANIZATION, f"fresh{number:06d}")
        number += 1
        now = SystemClock().now()
        stream.publish(load.contact(patient, now - DAY, now, number=number))
        appended = time.monotonic()
        while client.get(f"patients/{patient.id}")[0] != 200:
            time.sleep(POLL)
        seen = time.monotonic()
        while _total(client) <= before:
            time.sleep(POLL_SUMS)
        yield (seen - appended) * 1e3, (time.monotonic() - appended) * 1e3


def _total(client: Client) -> int:
    summary = client.get("risk-metrics", include_dormant="true")[1]["risk_summary"]
    return sum(count for count in summary.values())


class Stream:
    """A steady stream of events about known patients, from a thread of its own."""

    def __init__(self, bootstrap_servers: str, patients: list[load.Patient], rate: int) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._patients = patients
        self._rate = rate
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._ready = threading.Event()
        self._ended = False
        self._producer: Any = None
        self._sent = 0
        self._began = 0.0

    def __enter__(self) -> "Stream":
        self._thread.start()
        self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        self._loop.close()

    def publish(self, record: load.Record) -> None:
        """Returns when Kafka has acknowledged the record."""
        sending = self._producer.send_and_wait(record.topic, record.value, key=record.key)
        asyncio.run_coroutine_threadsafe(sending, self._loop).result(30)

    def rate(self) -> float:
        """Events a second so far."""
        return self._sent / (time.monotonic() - self._began)

    async def _run(self) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers, acks="all", linger_ms=2)
        await self._producer.start()
        rng = Random("stream")
        self._began = time.monotonic()
        self._ready.set()
        while not self._ended:
            due = int((time.monotonic() - self._began) * self._rate)
            while self._sent < due:
                await self._send(rng)
            await asyncio.sleep(TICK)
        await self._producer.stop()

    async def _send(self, rng: Random) -> None:
        patient, now = rng.choice(self._patients), SystemClock().now()
        if rng.random() < 0.5:
            record = load.message(patient, f"s{rng.randrange(3)}", "sms", now - DAY, 2, revision=2 + self._sent)
        else:
            record = load.appointment(
                patient, f"s{rng.randrange(3)}", now - DAY, now + rng.randrange(DAY, 20 * DAY), now
            )
        await self._producer.send(record.topic, record.value, key=record.key)
        self._sent += 1
