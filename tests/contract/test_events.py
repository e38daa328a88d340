"""The published contracts are those of the code, and every event ever shipped is still understood."""

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator, FormatChecker

from rules.instants import DAY, parse_instant
from shared.contracts_export import FOLDER, asyncapi, event_models, export, files, schemas
from shared.events import DATA_OF_TYPE
from shared.outreach import MODEL_OF_TYPE, parse_outreach_event
from shared.topics import MAX_RECORD_BYTES, PARTITIONS, TOPICS, record_key

EXAMPLES = {path.stem: path for path in sorted((FOLDER / "examples").glob("*.json"))}


def example(name: str) -> Any:
    return json.loads(EXAMPLES[name].read_text(encoding="utf-8"))


def test_every_event_type_has_a_topic_a_model_a_schema_and_an_example() -> None:
    types = {kind for topic in TOPICS for kind in topic.event_types}
    assert types == set(DATA_OF_TYPE) | set(MODEL_OF_TYPE) == set(event_models()) == set(schemas())
    assert types == {example(name)["type"] for name in EXAMPLES}


def test_no_type_is_on_two_topics_and_no_topic_lacks_a_reader() -> None:
    types = [kind for topic in TOPICS for kind in topic.event_types]
    assert len(types) == len(set(types))
    assert all(topic.consumers and topic.producer for topic in TOPICS)


def test_the_published_files_are_those_of_the_code() -> None:
    published = {
        str(path.relative_to(FOLDER)): path for path in FOLDER.rglob("*.json") if path.parent.name != "examples"
    }
    assert sorted(published) == sorted(files())
    for name, text in files().items():
        assert published[name].read_text(encoding="utf-8") == text, f"run: python -m shared.contracts_export ({name})"


def test_an_export_replaces_what_is_no_more(tmp_path: Path) -> None:
    export(tmp_path)
    (tmp_path / "schemas" / "gone.v1.json").write_text("{}")
    export(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json")) == sorted(files())


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_event_that_was_ever_shipped_is_understood(name: str) -> None:
    event = example(name)
    assert name.startswith(event["type"])
    model = event_models()[event["type"]]
    understood = model.model_validate(event)
    assert model.model_validate_json(understood.model_dump_json()) == understood


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_satisfies_its_schema(name: str) -> None:
    event = example(name)
    schema = schemas()[event["type"]]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(event)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_sdk_of_the_cloud_native_computing_foundation_reads_it(name: str) -> None:
    event = example(name)
    data = event["data"]
    key = record_key(data["organization_id"], data["patient_id"])
    headers = {"content-type": b"application/cloudevents+json"}
    message = KafkaMessage(headers=headers, key=key, value=EXAMPLES[name].read_bytes())
    read = from_kafka(message, JSONFormat(), CloudEvent)
    assert (read.get_id(), read.get_source(), read.get_type()) == (event["id"], event["source"], event["type"])
    assert read.get_data() == data


@pytest.mark.parametrize("name", [name for name in EXAMPLES if example(name)["type"] in MODEL_OF_TYPE])
def test_an_event_of_another_system_is_accepted_from_its_topic(name: str) -> None:
    event = example(name)
    data = event["data"]
    report = parse_outreach_event(
        EXAMPLES[name].read_bytes(),
        received_at=parse_instant(event["time"]) + DAY,
        key=record_key(data["organization_id"], data["patient_id"]),
    )
    assert report.outcome == data["outcome"]


@pytest.mark.parametrize("kind", MODEL_OF_TYPE)
def test_a_schema_refuses_what_the_parser_refuses(kind: str) -> None:
    event = example(kind)
    validator = Draft202012Validator(schemas()[kind])
    for path in [*(["data", name] for name in ("organization_id", "patient_id", "outcome")), ["id"], ["time"]]:
        broken = json.loads(json.dumps(event))
        inner = broken["data"] if len(path) == 2 else broken
        inner[path[-1]] = 7
        assert not validator.is_valid(broken)
        del inner[path[-1]]
        assert not validator.is_valid(broken)


def test_a_schema_knows_the_outcomes_of_each_channel() -> None:
    event = example("outreach.outcome.v1")
    validator = Draft202012Validator(schemas()["outreach.outcome.v1"])
    for channel, outcome, valid in [("sms", "responded", True), ("sms", "opened", False), ("email", "opened", True)]:
        event["data"] |= {"channel": channel, "outcome": outcome}
        assert validator.is_valid(event) is valid


def test_all_topics_have_the_same_partitions_and_their_dead_letters() -> None:
    channels = asyncapi()["channels"]
    assert set(channels) == {name for topic in TOPICS for name in (topic.name, topic.dead_letters)}
    assert {channel["bindings"]["kafka"]["partitions"] for channel in channels.values()} == {PARTITIONS}


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    for reference in references(document):
        if reference.startswith("./"):
            assert (FOLDER / reference).is_file()
            continue
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_examples_are_small_enough() -> None:
    assert all(path.stat().st_size <= MAX_RECORD_BYTES for path in EXAMPLES.values())
