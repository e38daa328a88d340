"""Putting dead letters back where they came from: same bytes, same key, and the letter is marked."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from pymongo import UpdateOne

from reengage import letters
from reengage.control import Control
from reengage.failures import CommandError
from reengage.letters import Letter
from reengage.offsets import Kafka
from reengage.organizations import load_all
from reengage.output import say
from shared import dead_letters
from shared.earlier_clinics import REASON, organization_of
from shared.kafka import KeyedProducer, Outgoing
from shared.topics import dead_letters_of

AT_ONCE = 200


async def open_letters(control: Control, kafka: Kafka, topics: Iterable[str]) -> AsyncIterator[Letter]:
    """The letters that were not replayed yet; tells of those that cannot be."""
    replayed, again = await letters.replays(control), await _added_again(control)
    async for letter in letters.read(kafka, topics):
        if letter.id in replayed:
            continue
        if letter.truncated:
            say(f"{letter.id} stays: it holds the begin of its record only")
        elif _is_of_an_earlier_clinic(letter, again):
            say(f"{letter.id} stays: it is of a clinic that had its organization's id before and was removed")
        else:
            yield letter


async def by_id(control: Control, kafka: Kafka, ids: Iterable[str]) -> AsyncIterator[Letter]:
    """The letters of these ids, each once, replayed before or not."""
    again = await _added_again(control)
    for letter_id in dict.fromkeys(ids):
        letter = await letters.read_one(kafka, letter_id)
        if _is_of_an_earlier_clinic(letter, again):
            raise CommandError(
                f"{letter_id} is of a clinic that had its organization's id before and was removed: it is not replayed"
            )
        yield letter


async def _added_again(control: Control) -> dict[str, datetime]:
    return {one.id: one.added_again_at for one in await load_all(control) if one.added_again_at is not None}


def _is_of_an_earlier_clinic(letter: Letter, again: Mapping[str, datetime]) -> bool:
    """Whether its facts would mix with those of another clinic: `shared.earlier_clinics`, for who wrote it again."""
    since = again.get(organization_of(letter.key))
    return since is not None and (letter.at < since or letter.error == f"InvalidEvent: {REASON}")


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
    topic = letter.origin["topic"]
    if letter.truncated:
        raise CommandError(f"{letter.id} holds the begin of its record only, and cannot be replayed")
    if dead_letters_of(topic) != letter.topic:
        raise CommandError(f"{letter.id} says that it came from {topic!r}, which is not its topic: it is not replayed")
    own = [header for header in letter.headers if not header[0].startswith(dead_letters.PREFIX)]
    attempts = (dead_letters.ATTEMPTS, str(letter.attempts).encode())
    return Outgoing(topic, letter.key, letter.value, [*own, attempts])
