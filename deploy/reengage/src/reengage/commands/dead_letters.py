"""`reengage dlq …`: records that were set aside, and putting them back."""

from typing import Annotated, Any

import typer

from reengage.commands import AsJson
from reengage.failures import WrongUsageError, run
from reengage.output import print_fields, print_json, print_table, say

commands = typer.Typer(help="Dead letters: records that were set aside.", no_args_is_help=True)

Topic = Annotated[str | None, typer.Option("--topic", metavar="T", help="Of this topic alone.")]


@commands.command("list")
def list_(topic: Topic = None, as_json: AsJson = False) -> None:
    """List dead letters: whence they came and why, never what they say."""
    found = run(_list(topic))
    if as_json:
        print_json(found)
        return
    columns = ("id", "from", "error", "attempts", "set aside", "replayed", "left alone")
    print_table(columns, [(each["id"], _origin(each), *(each[name] for name in _TOLD)) for each in found])


_TOLD = ("error", "attempts", "at", "replayed_at", "left_alone")


async def _list(topic: str | None) -> list[dict[str, Any]]:
    from reengage import letters
    from reengage.control import open_control
    from reengage.offsets import open_kafka
    from reengage.open_letters import removed_clinics

    names = letters.topic_names(topic)
    async with (
        open_control() as control,
        open_kafka(control.surroundings.kafka_bootstrap_servers) as kafka,
    ):
        replays, removed = await letters.replays(control), await removed_clinics(control)
        found = letters.read(kafka, names)
        return [letters.view(letter, replays, removed.why_left_alone(letter)) async for letter in found]


@commands.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `dlq list` shows it.")],
    value: Annotated[bool, typer.Option("--value", help="Its key and content, too: may be patient data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter."""
    found = run(_show(letter_id, value))
    if value:
        say("Take care: what follows may hold data of patients.")
    if as_json:
        print_json(found)
    else:
        print_fields([("from" if name == "origin" else name, each) for name, each in found.items()])


async def _show(letter_id: str, with_value: bool) -> dict[str, Any]:
    from reengage import letters
    from reengage.control import open_control
    from reengage.offsets import open_kafka
    from reengage.open_letters import removed_clinics

    letters.parse_id(letter_id)
    async with (
        open_control() as control,
        open_kafka(control.surroundings.kafka_bootstrap_servers) as kafka,
    ):
        letter = await letters.read_one(kafka, letter_id)
        left_alone = (await removed_clinics(control)).why_left_alone(letter)
        shown = letters.view(letter, await letters.replays(control), left_alone)
        shown["bytes"] = len(letter.value or b"")
        shown["headers"] = letters.told_headers(letter)
        return shown | (letters.content(letter) if with_value else {})


@commands.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `dlq list` shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not replayed yet.")] = False,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into the topics they came from."""
    done = run(_replay(ids or [], everything, topic))
    if as_json:
        print_json({"replayed": done})
    else:
        say(f"{len(done)} replayed; `reengage status --wait`, then `reengage dlq list` shows what came back")


async def _replay(ids: list[str], everything: bool, topic: str | None) -> list[str]:
    from reengage import letters, replaying
    from reengage.control import open_control
    from reengage.offsets import open_kafka
    from shared.kafka import KeyedProducer

    if bool(ids) == everything:
        raise WrongUsageError("give the ids to replay, or --all")
    if topic and ids:
        raise WrongUsageError("--topic goes with --all")
    names = letters.topic_names(topic)
    for letter_id in ids:
        letters.parse_id(letter_id)
    async with (
        open_control() as control,
        open_kafka(control.surroundings.kafka_bootstrap_servers) as kafka,
    ):
        chosen = replaying.open_letters(control, kafka, names) if everything else replaying.by_id(control, kafka, ids)
        producer = KeyedProducer(control.surroundings.kafka_bootstrap_servers, client_id="reengage-replay")
        try:
            return await replaying.replay(control, producer, chosen)
        finally:
            await producer.stop()


def _origin(letter: dict[str, Any]) -> str:
    origin = letter["origin"]
    return ":".join(str(origin[name]) for name in ("topic", "partition", "offset"))
