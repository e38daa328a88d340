"""Putting dead letters back where they came from: same bytes, same key, and the letter is marked."""

from collections.abc import AsyncIterator, Iterable, Sequence

from pymongo import UpdateOne

from reengage import letters
from reengage.control import Control
from reengage.failures import CommandError
from reengage.letters import Letter
from reengage.offsets import Kafka
from reengage.open_letters import removed_clinics
from reengage.output import say
from shared import dead_letters
from shared.kafka import KeyedProducer, Outgoing
from shared.topics import dead_letters_of

AT_ONCE = 200


async def open_letters(control: Control, kafka: Kafka, topics: Iterable[str]) -> AsyncIterator[Letter]:
    """The letters that were not replayed yet; tells of those that cannot be."""
    replayed, removed = await letters.replays(control), await removed_clinics(control)
    left_alone = 0
    async for letter in letters.read(kafka, topics):
        if letter.id in replayed:
            continue
        if removed.why_left_alone(letter):
            left_alone += 1
        elif obstacle := _obstacle(letter):
            say(f"{letter.id} stays: it {obstacle}")
        else:
            yield letter
    if left_alone:
        say(f"left alone: {left_alone} of clinics that were removed (`reengage dlq list` marks them)")


async def by_id(control: Control, kafka: Kafka, ids: Iterable[str]) -> AsyncIterator[Letter]:
    """The letters of these ids, each once, replayed before or not."""
    removed = await removed_clinics(control)
    for letter_id in dict.fromkeys(ids):
        letter = await letters.read_one(kafka, letter_id)
        if why := removed.why_left_alone(letter):
            raise CommandError(f"{letter_id} is {why}: it is not replayed")
        if obstacle := _obstacle(letter):
            raise CommandError(f"{letter_id} {obstacle}: it is not replayed")
        yield letter


def _obstacle(letter: Letter) -> str | None:
    """Why the record cannot be put back."""
    if letter.truncated:
        return "holds the begin of its record only"
    if dead_letters_of(letter.origin["topic"]) != letter.topic:
        return f"says that it came from {letter.origin['topic']!r}, which is not its topic"
    return None


async def replay(control: Control, producer: KeyedProducer, chosen: AsyncIterator[Letter]) -> list[str]:
    """Publishes the letters to their topics as they were, and remembers it; their ids, in order.

    After a crash in between some are replayed once more: consumers know what they have seen.
    """
    done: list[str] = []
    some: list[Letter] = []
    async for letter in chosen:
        some.append(letter)
        if len(some) == AT_ONCE:
            done += await _put_back(control, producer, some)
            some = []
    return done + await _put_back(control, producer, some)


async def _put_back(control: Control, producer: KeyedProducer, some: Sequence[Letter]) -> list[str]:
    if not some:
        return []
    await producer.publish_all([_outgoing(letter) for letter in some])
    mark = {"$set": {"replayed_at": control.now()}, "$inc": {"times": 1}}
    marked = [UpdateOne({"_id": letter.id}, mark, upsert=True) for letter in some]
    await control.collection("dlq_replays").bulk_write(marked, ordered=False)
    return [letter.id for letter in some]


def _outgoing(letter: Letter) -> Outgoing:
    """The record as it came, and the count of its attempts so far."""
    own = [header for header in letter.headers if not header[0].startswith(dead_letters.PREFIX)]
    attempts = (dead_letters.ATTEMPTS, str(letter.attempts).encode())
    return Outgoing(letter.origin["topic"], letter.key, letter.value, [*own, attempts])
