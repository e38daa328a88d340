"""What a dead letter carries."""

from collections.abc import Iterable

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from shared.dead_letters import DeadLetter, set_aside
from shared.kafka import Outgoing
from shared.records import Record

AT = 1_795_000_000_000_000


class Kafka:
    def __init__(self, largest: int = 10**9) -> None:
        self.largest = largest
        self.records: list[Outgoing] = []

    async def publish_all(self, records: Iterable[Outgoing]) -> list[object]:
        wanted = list(records)
        if any(size(record) > self.largest for record in wanted):
            raise MessageSizeTooLargeError
        self.records += wanted
        return []


def size(record: Outgoing) -> int:
    return len(record.key or b"") + len(record.value or b"") + sum(len(n) + len(v) + 2 for n, v in record.headers)


async def aside(*letters: DeadLetter, kafka: Kafka | None = None) -> list[Outgoing]:
    kafka = kafka or Kafka()
    await set_aside(kafka, letters, AT)  # type: ignore[arg-type]
    return kafka.records


async def test_it_keeps_bytes_key_and_headers_and_tells_of_its_origin() -> None:
    record = Record("outreach-events", 7, 41, b"\xff", b"\x00{", (("mine", b"\xfe"), ("none", None)), 0)
    (letter,) = await aside(DeadLetter.invalid(record, "/time: is required"))
    assert letter == Outgoing(
        "outreach-events-dlq",
        b"\xff",
        b"\x00{",
        [
            ("mine", b"\xfe"),
            ("none", b""),
            ("dlq-topic", b"outreach-events"),
            ("dlq-partition", b"7"),
            ("dlq-offset", b"41"),
            ("dlq-error", b"InvalidEvent: /time: is required"),
            ("dlq-attempts", b"1"),
            ("dlq-at", b"2026-11-18T11:06:40Z"),
        ],
    )


async def test_attempts_go_on_counting_when_it_was_replayed() -> None:
    replayed = Record("t", 0, 1, b"k", b"v", (("dlq-attempts", b"3"), ("dlq-topic", b"t")), 0)
    (letter,) = await aside(DeadLetter.of_exception(replayed, KeyError("secret"), attempts=3))
    headers = dict(letter.headers)
    assert headers["dlq-attempts"] == b"6"
    assert headers["dlq-error"] == b"KeyError: unexpected"
    assert len(headers) == len(letter.headers)


async def test_a_record_without_key_and_value_can_be_set_aside() -> None:
    (letter,) = await aside(DeadLetter.invalid(Record("t", 0, 1, None, None, (), 0), "a rule"))
    assert (letter.key, letter.value) == (None, b"")


async def test_what_kafka_cannot_take_back_is_shortened_and_says_so() -> None:
    huge, small = Record("t", 0, 1, b"k", b"x" * 5_000_000, (), 0), Record("t", 0, 2, b"k", b"v", (), 0)
    letters = [DeadLetter.invalid(record, "larger than 262144 bytes") for record in (huge, small)]
    first, second = await aside(*letters, kafka=Kafka(largest=4_000_000))
    assert first.value == b"x" * 262_144
    assert dict(first.headers)["dlq-truncated"] == b"5000001"
    assert second.value == b"v"
    assert "dlq-truncated" not in dict(second.headers)


@pytest.mark.parametrize(
    ("key", "headers", "kept_key", "kept_headers"),
    [
        (b"k", (("mine", b"h" * 5_000_000),), b"k", []),
        (b"k", (("h" * 5_000_000, None),), b"k", []),
        (b"k", tuple(("", None) for _ in range(600_000)), b"k", []),
        (b"k" * 5_000_000, (("mine", b"h"),), b"k" * 65_536, [("mine", b"h")]),
    ],
)
async def test_a_huge_key_and_huge_headers_are_cut_too(
    key: bytes, headers: tuple[tuple[str, bytes | None], ...], kept_key: bytes, kept_headers: list[tuple[str, bytes]]
) -> None:
    record = Record("t", 0, 1, key, b"v", headers, 0)
    (letter,) = await aside(DeadLetter.invalid(record, "a rule"), kafka=Kafka(largest=1_000_000))
    assert (letter.key, letter.value) == (kept_key, b"v")
    assert [each for each in letter.headers if not each[0].startswith("dlq-")] == kept_headers
    told = dict(letter.headers)
    assert told["dlq-error"] == b"InvalidEvent: a rule"
    assert int(told["dlq-truncated"]) >= 1_200_000
