"""The program of docs/events.md does what the page says."""

import asyncio
import os
import re
import sys
from pathlib import Path

from integration.shared.reading import read_topic
from shared.kafka import ensure_topics
from shared.topics import OUTREACH_EVENTS

PAGE = Path(__file__).parents[3] / "docs" / "events.md"


async def test_the_program_with_aiokafka_publishes_an_event(kafka_bootstrap: str, unique_name: str) -> None:
    await ensure_topics(kafka_bootstrap)
    (program,) = re.findall(r"```python\n(import asyncio.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program.replace("org_x", unique_name),
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap},
    )
    assert await process.wait() == 0
    records = await read_topic(kafka_bootstrap, OUTREACH_EVENTS)
    assert f"{unique_name}:1508812345678901201".encode() in {record.key for record in records}
