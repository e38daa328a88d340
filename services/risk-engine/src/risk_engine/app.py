"""What comes into the risk engine, and what goes out: topics in, timelines and sums out."""

import asyncio
from collections.abc import Sequence

from risk_engine.handlers import fold_into_timelines
from risk_engine.processes import ComputingProcesses
from risk_engine.settling import Settler
from risk_engine.store.settlements import MongoSettlementStore
from risk_engine.store.standings import MongoStandingStore
from risk_engine.store.timelines import MongoTimelineStore
from shared.consumer import create_consumer
from shared.dead_letters import DeadLetter
from shared.earlier_clinics import of_present_clinics
from shared.faults import describe, is_transient
from shared.kafka import KeyedProducer, ensure_topics
from shared.logs import log_of
from shared.organizations import OrganizationDirectory
from shared.records import Record
from shared.service import BackgroundTask, Part, Runtime
from shared.timelines import DATABASE
from shared.topics import OUTREACH_MESSAGES, RISK_ENGINE_TOPICS

GROUP = "risk-engine"
RETRY_SECONDS = 1.0

_log = log_of("risk-engine")


def create(runtime: Runtime) -> Sequence[Part]:
    """The parts of the service; nothing connects before they start."""
    client, clock = runtime.databases, runtime.clock
    database = client[DATABASE]
    directory = OrganizationDirectory(client["reengage"]["organizations"])
    timelines = MongoTimelineStore(database, clock, client.with_transaction)
    settlements = MongoSettlementStore(client)
    producer = KeyedProducer(runtime.settings.kafka_bootstrap_servers, client_id=runtime.instance)

    async def knows(organization_id: str) -> bool:
        return await directory.find(organization_id) is not None

    async def on_records(records: Sequence[Record]) -> Sequence[DeadLetter]:
        with settler.fold(len(records)):
            present, dead_letters = await of_present_clinics(records, directory.find_all)
            return dead_letters + await fold_into_timelines(present, timelines, knows, producer.publish_all)

    consumer = create_consumer(
        runtime.settings.kafka_bootstrap_servers,
        RISK_ENGINE_TOPICS,
        group=GROUP,
        first=OUTREACH_MESSAGES,
        handle=on_records,
        producer=producer,
        clock=clock,
        fail=runtime.fail,
        client_id=runtime.instance,
    )

    def homes() -> Sequence[int]:
        return sorted({partition for _, partition in consumer.assigned})

    async def rebuilds() -> dict[str, int]:
        return {asked["_id"]: asked["number"] for asked in await requests.find({}).to_list()}

    requests = client["reengage"]["rebuild_requests"]
    computing = ComputingProcesses()
    settler = Settler(settlements, MongoStandingStore(database), directory, clock, homes, rebuilds, computing)
    return [
        Preparation(runtime.settings.kafka_bootstrap_servers, timelines, settlements),
        producer,
        consumer,
        computing,
        BackgroundTask("settling", settler.run, runtime.fail, settler.not_ready),
    ]


class Preparation:
    """Topics and indexes are there before anything needs them."""

    def __init__(
        self, bootstrap_servers: str, timelines: MongoTimelineStore, settlements: MongoSettlementStore
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._timelines = timelines
        self._settlements = settlements

    async def start(self) -> None:
        """Creates what is missing, waiting for servers that are away."""
        await ensure_topics(self._bootstrap_servers)
        while True:
            try:
                await self._timelines.create_indexes()
                await self._settlements.create_indexes()
            except Exception as fault:
                if not is_transient(fault):
                    raise
                _log.warning("waiting for MongoDB", error=describe(fault))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """Nothing to let go of."""
