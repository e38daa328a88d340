"""The service on one screen: `outreach-events` in, `outreach-messages` out; erasures are heeded."""

from collections.abc import Sequence

from outreach_tracker.erasures import MongoErasures, create_heed_erasures
from outreach_tracker.handlers import create_follow_outreach
from outreach_tracker.letters import HOME, LetterPurge, keep_purging_letters
from outreach_tracker.purging import keep_purging
from outreach_tracker.retelling import Retelling
from outreach_tracker.store import MongoHistoryStore
from shared.consumer import create_consumer
from shared.dead_letters import DeadLetter
from shared.earlier_clinics import of_present_clinics
from shared.kafka import KeyedProducer, TopicSetup
from shared.organizations import OrganizationDirectory
from shared.records import Record
from shared.service import BackgroundTask, Part, Runtime
from shared.topics import OUTREACH_EVENTS, TRACKER_TOPICS

NAME = "outreach-tracker"


def create_app(runtime: Runtime) -> Sequence[Part]:
    """The parts of the service, in the order in which they start."""
    kafka = runtime.settings.kafka_bootstrap_servers
    organizations = OrganizationDirectory(
        runtime.databases["reengage"]["organizations"], monotonic=runtime.clock.monotonic
    )
    producer = KeyedProducer(kafka, client_id=runtime.instance)

    async def is_known(organization_id: str) -> bool:
        return await organizations.find(organization_id) is not None

    async def removed() -> list[str]:
        return [organization.id for organization in await organizations.removed()]

    own = runtime.databases["outreach_tracker"]
    store = MongoHistoryStore(own)
    follow_outreach = create_follow_outreach(store, producer.publish_all, is_known, runtime.clock)

    erasures = MongoErasures(own)
    heed_erasures = create_heed_erasures(follow_outreach, erasures, producer.publish_all, is_known)

    async def on_records(records: Sequence[Record]) -> Sequence[DeadLetter]:
        present, dead_letters = await of_present_clinics(records, organizations.find_all)
        return [*dead_letters, *await heed_erasures(present)]

    consumer = create_consumer(
        kafka,
        TRACKER_TOPICS,
        group=NAME,
        first=OUTREACH_EVENTS,
        handle=on_records,
        producer=producer,
        clock=runtime.clock,
        fail=runtime.fail,
        client_id=runtime.instance,
    )

    async def purge() -> None:
        await keep_purging(removed, store, runtime.clock)

    def homes() -> Sequence[int]:
        return sorted({partition for _, partition in consumer.assigned})

    def is_home() -> bool:
        return HOME in homes()

    replays = runtime.databases["reengage"]["dlq_replays"]

    async def replayed(letters: Sequence[str]) -> list[str]:
        return [each["_id"] for each in await replays.find({"_id": {"$in": list(letters)}}, {"_id": 1}).to_list()]

    purge_letters = LetterPurge(kafka, producer.publish_all, replayed, is_home)

    async def purge_of_erased() -> None:
        await keep_purging_letters(erasures, purge_letters, is_home)

    requests = runtime.databases["reengage"]["rebuild_requests"]
    retelling = Retelling(requests, own["retold"], store, producer.publish_all, is_known, homes, runtime.clock)
    return [
        TopicSetup(kafka),
        producer,
        consumer,
        BackgroundTask("purge", purge, runtime.fail),
        BackgroundTask("letters", purge_of_erased, runtime.fail),
        BackgroundTask("retelling", retelling.run, runtime.fail),
    ]
