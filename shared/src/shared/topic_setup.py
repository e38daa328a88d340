"""Topics exist before anything reads or writes them, with the partitions that all rely on."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.faults import StatedError
from shared.logs import log_of
from shared.topics import PARTITIONS, TOPICS, Topic

_SET_ON_TOPIC = 1
"""Kafka's number for a setting that the topic itself has, and not the broker or nobody."""

_log = log_of("kafka")


async def ensure_topics(
    bootstrap_servers: str, topics: Iterable[Topic] = TOPICS, *, patience: float | None = None
) -> None:
    """Creates what is missing of the topics and their dead-letter topics, mends settings; idempotent.

    Waits for a Kafka that is away, at most `patience` seconds (None: as long as it takes).
    """
    wanted = tuple(topics)
    delay = 0.2
    async with asyncio.timeout(patience):
        while True:
            try:
                await _bring_about(bootstrap_servers, wanted)
            except (KafkaError, OSError, TimeoutError) as fault:
                _log.warning("waiting for Kafka", error=fault, waited=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                return


async def _bring_about(bootstrap_servers: str, topics: Sequence[Topic]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000)
    try:
        await asyncio.wait_for(admin.start(), 15)
        existing = set(await admin.list_topics())
        brokers = len((await admin.describe_cluster())["brokers"])
        missing = [new for new in _new_topics(topics, min(3, brokers)) if new.name not in existing]
        if missing:
            await _create(admin, missing)
        await _check_partitions(admin, topics)
        await _mend_configs(admin, {new.name: new.topic_configs for new in _new_topics(topics, 1)})
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


async def _mend_configs(admin: AIOKafkaAdminClient, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Existing topics get the settings that new ones have; what else is set on them stays."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
    altered = []
    for answer in await admin.describe_configs(resources):
        for code, _, _, name, entries in answer.resources:
            if code:
                raise for_code(code)(name)
            own = {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC}
            if wanted[name].items() - own.items():
                altered.append(ConfigResource(ConfigResourceType.TOPIC, name, {**own, **wanted[name]}))
    if altered:
        for answer in await admin.alter_configs(altered):
            _check_altered(answer)
        _log.info("settings of topics changed", count=len(altered))


def _check_altered(answer: Any) -> None:
    for code, _, _, name in answer.resources:
        if code:
            raise for_code(code)(name)


def _new_topics(topics: Sequence[Topic], replicas: int) -> Iterable[NewTopic]:
    for topic in topics:
        yield NewTopic(topic.name, PARTITIONS, replicas, topic_configs=topic.configs)
        yield NewTopic(topic.dead_letters, PARTITIONS, replicas, topic_configs=topic.dead_letter_configs)


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
