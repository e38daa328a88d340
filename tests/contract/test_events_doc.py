"""docs/events.md tells what is so: its examples are the contracts', its commands carry valid events."""

import json
import re
from pathlib import Path

from rules.instants import DAY, parse_instant
from shared.contracts_export import FOLDER, schemas
from shared.events import OUTCOMES
from shared.outreach import parse_outreach_event

PAGE = (FOLDER.parents[1] / "docs" / "events.md").read_text(encoding="utf-8")
RECEIVED_AT = parse_instant("2026-11-20T09:30:00Z") + DAY
PUBLISHER = Path(__file__).parents[2] / "shared" / "publisher" / "README.md"


def test_every_example_is_the_one_that_is_published() -> None:
    shown = re.findall(r"<!-- example: (\S+) -->\n```json\n(.*?)```", PAGE, re.DOTALL)
    assert {json.loads(text)["type"] for _, text in shown} == set(schemas())
    for name, text in shown:
        assert text == (FOLDER / "examples" / f"{name}.json").read_text(encoding="utf-8"), name


def test_the_event_of_the_curl_command_is_accepted() -> None:
    (body,) = re.findall(r"cloudevents\+json' -d '(.*?)'\n```", PAGE, re.DOTALL)
    assert parse_outreach_event(body.encode(), received_at=RECEIVED_AT, key=None).event_id == "evt-1"


def test_the_record_of_the_console_producer_is_accepted() -> None:
    ((key, value),) = re.findall(r"printf '%s\\t%s\\n' '(.*?)' '(.*?)' \|", PAGE)
    report = parse_outreach_event(value.encode(), received_at=RECEIVED_AT, key=key.encode())
    assert report.event_id == "evt-1"


def test_the_table_of_outcomes_is_complete() -> None:
    rows = {
        row[0]: set(re.findall(r"`(\w+)`", row[1]))
        for row in re.findall(r"^\| (sms|email|phone) \|(.*)$", PAGE, re.MULTILINE)
    }
    assert rows == {channel: set(outcomes) for channel, outcomes in OUTCOMES.items()}


def test_the_programs_compile() -> None:
    for page in (PAGE, PUBLISHER.read_text(encoding="utf-8")):
        for program in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            wrapped = "async def program(token):\n" + "".join(f"    {line}\n" for line in program.splitlines())
            compile(wrapped, "documentation", "exec")
