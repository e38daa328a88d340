"""Dead letters: which there are, and what is in them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from reengage.control import Control
from reengage.failures import CommandError, WrongUsageError
from reengage.offsets import Kafka
from rules.instants import to_datetime
from shared import dead_letters
from shared.topics import TOPICS

TOPIC_NAMES = tuple(topic.dead_letters for topic in TOPICS)


@dataclass(frozen=True)
class Letter:
    """One dead letter, with its bytes: patient data that only `show --value` may print."""

    id: str
    """`topic:partition:offset` of the letter itself."""
    topic: str
    origin: dict[str, Any]
    error: str | None
    attempts: int
    at: datetime
    truncated: bool
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def topic_names(topic: str | None) -> tuple[str, ...]:
    """The dead-letter topics that are meant: all, or the one of a topic by either name."""
    if topic is None:
        return TOPIC_NAMES
    for name in TOPIC_NAMES:
        if topic in (name, name.removesuffix("-dlq")):
            return (name,)
    raise WrongUsageError(f"--topic is one of {', '.join(TOPIC_NAMES)}")


def parse_id(text: str) -> TopicPartition:
    """The partition that a letter's id names; WrongUsageError when the text is no id."""
    topic, _, place = text.partition(":")
    partition, _, offset = place.partition(":")
    if topic not in TOPIC_NAMES or not partition.isdecimal() or not offset.isdecimal():
        raise WrongUsageError(f"{text!r} is no dead letter's id: `reengage dlq list` shows them")
    return TopicPartition(topic, int(partition))


async def read(kafka: Kafka, topics: Iterable[str]) -> AsyncIterator[Letter]:
    """All letters that the topics hold at the call, partition by partition, oldest first."""
    names = list(topics)
    begins, ends = await kafka.begins(names), await kafka.ends(names)
    consumer = kafka.consumer
    for partition in sorted(partition for partition, end in ends.items() if end > begins[partition]):
        consumer.assign([partition])
        consumer.seek(partition, begins[partition])
        while await consumer.position(partition) < ends[partition]:
            for record in (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, []):
                if record.offset < ends[partition]:
                    yield _letter(record)


async def read_one(kafka: Kafka, letter_id: str) -> Letter:
    """The letter of this id; CommandError when it is there no longer."""
    partition = parse_id(letter_id)
    offset = int(letter_id.rpartition(":")[2])
    begins, ends = await kafka.begins([partition.topic]), await kafka.ends([partition.topic])
    if begins.get(partition, 0) <= offset < ends.get(partition, 0):
        kafka.consumer.assign([partition])
        kafka.consumer.seek(partition, offset)
        record = await kafka.consumer.getone(partition)
        if record.offset == offset:
            return _letter(record)
    raise CommandError(
        f"no dead letter {letter_id}: it may have passed its 14 days, or got another id when a patient was erased; "
        "`reengage dlq list` shows those there are"
    )


def _letter(record: ConsumerRecord[bytes, bytes]) -> Letter:
    headers = tuple((name, bytes(value or b"")) for name, value in record.headers)
    told = {name: value.decode(errors="replace") for name, value in headers if name.startswith(dead_letters.PREFIX)}
    attempts = told.get(dead_letters.ATTEMPTS, "")
    return Letter(
        id=f"{record.topic}:{record.partition}:{record.offset}",
        topic=record.topic,
        origin={
            "topic": told.get(dead_letters.TOPIC) or record.topic.removesuffix("-dlq"),
            "partition": _number(told.get(dead_letters.PARTITION)),
            "offset": _number(told.get(dead_letters.OFFSET)),
        },
        error=told.get(dead_letters.ERROR),
        attempts=_number(attempts) or 1,
        at=to_datetime(record.timestamp * 1000),
        truncated=dead_letters.TRUNCATED in told,
        key=record.key,
        value=record.value,
        headers=headers,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def view(letter: Letter, replays: Mapping[str, datetime], left_alone: str | None) -> dict[str, Any]:
    """What is shown of a letter: whence it came and why, never what it says."""
    return {
        "id": letter.id,
        "topic": letter.topic,
        "origin": letter.origin,
        "error": letter.error,
        "attempts": letter.attempts,
        "at": letter.at,
        "truncated": letter.truncated,
        "replayed_at": replays.get(letter.id),
        "left_alone": left_alone,
    }


def told_headers(letter: Letter) -> dict[str, str]:
    """The headers that our services wrote; a publisher's own could say anything."""
    own = ((name, value) for name, value in letter.headers if name.startswith(dead_letters.PREFIX))
    return {name: value.decode(errors="replace") for name, value in own}


def content(letter: Letter) -> dict[str, Any]:
    """Key and value as text, bytes that are none replaced: patient data."""
    key, value = letter.key, letter.value
    return {
        "key": None if key is None else key.decode(errors="replace"),
        "value": None if value is None else value.decode(errors="replace"),
    }


async def replays(control: Control) -> dict[str, datetime]:
    """When each letter that was replayed was so last, by id."""
    found = control.collection("dlq_replays").find({})
    return {replay["_id"]: replay["replayed_at"] async for replay in found}


async def count_open(kafka: Kafka, replays: Iterable[str]) -> int:
    """How many letters there are that were not replayed, whatever their clinic."""
    begins, ends = await kafka.begins(TOPIC_NAMES), await kafka.ends(TOPIC_NAMES)
    held = sum(end - begins[partition] for partition, end in ends.items())
    gone_by = 0
    for letter_id in replays:
        partition, offset = parse_id(letter_id), int(letter_id.rpartition(":")[2])
        gone_by += begins.get(partition, 0) <= offset < ends.get(partition, 0)
    return held - gone_by
