"""Topics exist before anything reads or writes them, with the partitions that all rely on."""

import asyncio
from collections.abc import Iterable, Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.faults import StatedError
from shared.logs import log_of
from shared.topics import DEAD_LETTER_RETENTION_MS, PARTITIONS, TOPICS, Topic

_DEAD_LETTER_MAX_BYTES = 2 * 1024 * 1024
"""A dead letter holds a stranger's record (at most 1 MiB by the broker's default) and headers."""

_log = log_of("kafka")


async def ensure_topics(
    bootstrap_servers: str, topics: Iterable[Topic] = TOPICS, *, patience: float | None = None
) -> None:
    """Creates what is missing of the topics and their dead-letter topics; idempotent.

    Waits for a Kafka that is away, at most `patience` seconds (None: as long as it takes).
    """
    wanted = tuple(topics)
    delay = 0.2
    async with asyncio.timeout(patience):
        while True:
            try:
                await _create_missing(bootstrap_servers, wanted)
            except (KafkaError, OSError, TimeoutError) as fault:
                _log.warning("waiting for Kafka", error=fault, waited=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                return


async def _create_missing(bootstrap_servers: str, topics: Sequence[Topic]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000)
    try:
        await asyncio.wait_for(admin.start(), 15)
        existing = set(await admin.list_topics())
        brokers = len((await admin.describe_cluster())["brokers"])
        missing = [new for new in _new_topics(topics, min(3, brokers)) if new.name not in existing]
        if missing:
            await _create(admin, missing)
        await _check_partitions(admin, topics)
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, missing: Sequence[NewTopic]) -> None:
    answer = await admin.create_topics(missing)
    for topic, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(topic)
    names = {new.name for new in missing}
    while not names <= set(await admin.list_topics()):  # noqa: ASYNC110 - it is Kafka that changes
        await asyncio.sleep(0.05)


async def _check_partitions(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Everything about a patient is in one place only where all topics have as many partitions."""
    for found in await admin.describe_topics([topic.name for topic in topics]):
        if found["error_code"]:
            raise for_code(found["error_code"])(found["topic"])
        count = len(found["partitions"])
        if count != PARTITIONS:
            raise StatedError(f"topic {found['topic']} has {count} partitions; it must have {PARTITIONS}")


def _new_topics(topics: Sequence[Topic], replicas: int) -> Iterable[NewTopic]:
    for topic in topics:
        configs = (
            {"cleanup.policy": "compact"} if topic.retention_ms is None else {"retention.ms": str(topic.retention_ms)}
        )
        yield NewTopic(topic.name, PARTITIONS, replicas, topic_configs=configs)
        yield NewTopic(
            topic.dead_letters,
            PARTITIONS,
            replicas,
            topic_configs={
                "retention.ms": str(DEAD_LETTER_RETENTION_MS),
                "max.message.bytes": str(_DEAD_LETTER_MAX_BYTES),
            },
        )


class TopicSetup:
    """The part of a service that has its topics created before anything reads or writes them."""

    def __init__(self, bootstrap_servers: str, topics: Iterable[Topic] = TOPICS) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topics = tuple(topics)

    async def start(self) -> None:
        """Returns once all topics exist, waiting for Kafka as long as it takes."""
        await ensure_topics(self._bootstrap_servers, self._topics)

    async def stop(self) -> None:
        """Nothing to let go of."""
