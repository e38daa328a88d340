"""Publishes outreach events to Reengage from other Python systems, by Kafka or by HTTP."""

from reengage_publisher.errors import PublishError, RejectedError
from reengage_publisher.events import OUTCOMES, InvalidEvent, outreach_event, treatment_event
from reengage_publisher.http import HttpOutreachPublisher
from reengage_publisher.kafka import OutreachPublisher

__all__ = [
    "OUTCOMES",
    "HttpOutreachPublisher",
    "InvalidEvent",
    "OutreachPublisher",
    "PublishError",
    "RejectedError",
    "outreach_event",
    "treatment_event",
]
