"""The ingestor: Cliniko comes in, events go out to `cliniko-*`; who is asked for what, and when."""

import uuid
from collections.abc import Sequence

import httpx

from ingestor.cliniko import TIMEOUT_SECONDS
from ingestor.erasing import Eraser
from ingestor.outlet import Outlet
from ingestor.runner import Runner
from ingestor.scheduler import Scheduler
from ingestor.settings import IngestorSettings
from ingestor.store.erasures import ErasureRequestStore
from ingestor.store.intents import IntentStore
from ingestor.store.leases import LeaseStore
from ingestor.store.records import RecordStore
from ingestor.store.requests import RequestStore
from ingestor.store.state import CursorStore, StatusStore
from ingestor.task import Stores
from shared.budget import RequestBudget
from shared.identity import KeySealer
from shared.kafka import KeyedProducer, TopicSetup
from shared.organizations import OrganizationDirectory
from shared.service import BackgroundTask, Part, Runtime

LINGER_MS = 2
"""A batch is handed to Kafka whole and waited for: to linger longer would only cost time."""


class Http:
    """The HTTP client as a part of the service: closed last."""

    def __init__(self) -> None:
        self.client = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,  # the key must not go elsewhere
            limits=httpx.Limits(max_keepalive_connections=20, keepalive_expiry=30),
            mounts={"all://127.0.0.1": None, "all://localhost": None},  # never by way of a proxy
        )

    async def start(self) -> None:
        """Connects with the first request."""

    async def stop(self) -> None:
        """Disconnects."""
        await self.client.aclose()


def create(runtime: Runtime) -> Sequence[Part]:
    """The parts of the ingestor in the order in which they start."""
    settings = runtime.settings
    assert isinstance(settings, IngestorSettings)  # what __main__ asks for
    own, common = runtime.databases["ingestor"], runtime.databases["reengage"]
    stores = Stores(RecordStore(own), IntentStore(own), CursorStore(own), StatusStore(own), RequestStore(common))
    budgets: dict[str, RequestBudget] = {}

    def budget(key_hash: str, per_minute: int) -> RequestBudget:
        if key_hash not in budgets:
            budgets[key_hash] = RequestBudget(common["request_budgets"], key_hash, per_minute=per_minute)
        budgets[key_hash].per_minute = per_minute
        return budgets[key_hash]

    topics = TopicSetup(settings.kafka_bootstrap_servers)
    outlet = Outlet(KeyedProducer(settings.kafka_bootstrap_servers, client_id=runtime.instance, linger_ms=LINGER_MS))
    http = Http()
    scheduler = Scheduler(
        OrganizationDirectory(common["organizations"]),
        stores,
        LeaseStore(own),
        budget,
        runtime.clock,
        holder=f"{runtime.instance}/{uuid.uuid4().hex}",
        sync_interval=settings.sync_interval,
        full_interval=settings.ingestor_full_sync_interval,
        stopped_retry=settings.ingestor_stopped_retry,
        concurrency=settings.ingestor_concurrency,
    )
    scheduler.runner = Runner(
        stores,
        outlet,
        http.client,
        KeySealer.from_text(settings.reengage_encryption_keys),
        runtime.clock,
        overlap_seconds=settings.ingestor_sync_overlap,
        must_stop=scheduler.must_stop,
    )
    directory = OrganizationDirectory(common["organizations"], monotonic=runtime.clock.monotonic)
    eraser = Eraser(ErasureRequestStore(common), stores, outlet, directory, runtime.clock)
    return [topics, outlet, http, BackgroundTask("erasing", eraser.run, runtime.fail), scheduler]
