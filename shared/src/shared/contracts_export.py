"""Writes what other systems may rely on: `python -m shared.contracts_export` fills shared/contracts.

One JSON Schema for each event type, and an AsyncAPI document of all topics. The models and the map
of topics are the source; a test fails when these files differ from them.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, create_model

import shared
from shared.dead_letters import AT as SET_ASIDE_AT
from shared.dead_letters import ATTEMPTS, ERROR, OFFSET, PARTITION, TOPIC, TRUNCATED
from shared.events import DATA_OF_TYPE, Event
from shared.outreach import MODEL_OF_TYPE
from shared.topics import MAX_RECORD_BYTES, PARTITIONS, TOPICS, Topic

FOLDER = Path(shared.__file__).parents[2] / "contracts"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEAD_LETTER_HEADERS = {
    TOPIC: "the topic in which the record was",
    PARTITION: "its partition",
    OFFSET: "its offset",
    ERROR: "class and reason, without any value of the record",
    ATTEMPTS: "how often it was tried, over all replays",
    SET_ASIDE_AT: "when it was set aside (RFC 3339)",
    TRUNCATED: "only where the record was too large to be kept whole: how many bytes it had",
}


@cache
def event_models() -> dict[str, type[BaseModel]]:
    """The model of the whole event, envelope and data, of every event type."""
    models: dict[str, type[BaseModel]] = {}
    for kind, data in DATA_OF_TYPE.items():
        base: Any = Event[data]  # type: ignore[valid-type]
        own_type: Any = (Literal[kind], ...)
        models[kind] = create_model(f"{data.__name__}Event", __base__=base, type=own_type)
    return {**models, **MODEL_OF_TYPE}


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every event type."""
    return {kind: _schema(kind, model) for kind, model in event_models().items()}


def _schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    if kind in DATA_OF_TYPE:
        schema["description"] = DATA_OF_TYPE[kind].__doc__
    return {"$schema": DIALECT, "$id": f"urn:reengage:{kind}", **schema}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: every topic, what it carries, who writes and who reads it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Reengage: events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in structured JSON. How to publish: docs/events.md.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            **{topic.name: _channel(topic) for topic in TOPICS},
            **{topic.dead_letters: _dead_letter_channel(topic) for topic in TOPICS},
        },
        "operations": {
            **{f"publish-{topic.name}": _operation("send", topic, [topic.producer]) for topic in TOPICS},
            **{f"consume-{topic.name}": _operation("receive", topic, topic.consumers) for topic in TOPICS},
        },
        "components": {
            "messages": {kind: _message(kind, schema) for kind, schema in schemas().items()},
            "schemas": {
                "key": {"type": "string", "description": "organization_id:patient_id"},
                "dead-letter-headers": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": what} for name, what in _DEAD_LETTER_HEADERS.items()
                    },
                    "required": [name for name in _DEAD_LETTER_HEADERS if name != TRUNCATED],
                },
            },
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Written by {topic.producer}, read by {', '.join(topic.consumers)}.",
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in topic.event_types},
        "bindings": {"kafka": _binding(topic.name, topic.configs)},
    }


def _dead_letter_channel(topic: Topic) -> dict[str, Any]:
    record = {
        "name": "dead-letter",
        "summary": "The record as it came, bytes and key, with where it came from and what is wrong.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": "#/components/schemas/dead-letter-headers"},
        "payload": True,
    }
    return {
        "address": topic.dead_letters,
        "description": f"Records of {topic.name} that can never succeed.",
        "messages": {"dead-letter": record},
        "bindings": {"kafka": _binding(topic.dead_letters, topic.dead_letter_configs)},
    }


def _binding(name: str, configs: Mapping[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {"cleanup.policy": configs["cleanup.policy"].split(",")}
    for setting in ("retention.ms", "delete.retention.ms", "max.message.bytes"):
        if setting in configs:
            kept[setting] = int(configs[setting])
    return {"topic": name, "partitions": PARTITIONS, "topicConfiguration": kept, "bindingVersion": "0.5.0"}


def _operation(action: str, topic: Topic, who: tuple[str, ...] | list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": f"{topic.name}: {'written' if action == 'send' else 'read'} by {', '.join(who)}.",
        "channel": {"$ref": f"#/channels/{topic.name}"},
    }


def _message(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": kind,
        "title": kind,
        "summary": " ".join(str(schema.get("description", "")).split("\n\n")[0].split()),
        "description": f"At most {MAX_RECORD_BYTES} bytes.",
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"./schemas/{kind}.json"},
        "bindings": {"kafka": {"key": {"$ref": "#/components/schemas/key"}, "bindingVersion": "0.5.0"}},
    }


def files() -> dict[str, str]:
    """All files of the contracts, by their path in the folder."""
    documents = {f"schemas/{kind}.json": schema for kind, schema in schemas().items()}
    documents["asyncapi.json"] = asyncapi()
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}


def export(folder: Path) -> None:
    """Writes the files, and removes schemas of types that are no more."""
    written = files()
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    for old in (folder / "schemas").glob("*.json"):
        if f"schemas/{old.name}" not in written:
            old.unlink()
    for path, text in written.items():
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    export(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
