"""The publisher for other systems, against a real broker."""

import pytest

from integration.shared.reading import read_topic
from reengage_publisher import OutreachPublisher, PublishError
from rules.instants import HOUR
from shared.kafka import ensure_topics
from shared.outreach import parse_outreach_event
from shared.topics import DAYS, Topic


async def test_a_report_arrives_with_its_key(kafka_bootstrap: str, unique_name: str) -> None:
    await ensure_topics(kafka_bootstrap, [Topic(unique_name, "a test", ("a test",), (), DAYS)])
    async with OutreachPublisher(kafka_bootstrap, source="/crm", topic=unique_name) as publisher:
        first = await publisher.report("org_x", "p1", "sms", "delivered", "m1", attempt_id="a1")
        again = await publisher.report("org_x", "p1", "sms", "delivered", "m1", attempt_id="a1")
        await publisher.report_treatment("org_x", "p1", "improved", time="2026-11-20T09:30:00Z")
        await publisher.report_treatment("org_x", "p1", "worse")
    assert first == again
    records = await read_topic(kafka_bootstrap, unique_name)
    told = [parse_outreach_event(one.value, received_at=one.timestamp * 1_000 + HOUR, key=one.key) for one in records]
    assert [one.outcome for one in told] == ["delivered", "delivered", "improved", "worse"]
    assert told[0].event_id == told[1].event_id == first


async def test_a_kafka_that_is_away_is_said_so() -> None:
    with pytest.raises(PublishError, match="Kafka is away"):
        async with OutreachPublisher("127.0.0.1:9", timeout=0.5):
            pass
