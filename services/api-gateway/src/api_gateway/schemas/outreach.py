"""Answers of the outreach ingress; what an event may hold stands in `shared.outreach`."""

from pydantic import BaseModel, Field

from api_gateway.schemas.reengagement import Count


class Rejected(BaseModel):
    """An event that was not accepted, and why."""

    index: Count = Field(description="Its place in the array, from 0.")
    id: str | None = Field(description="The event's own id, where it has a valid one.")
    detail: str


class Receipt(BaseModel):
    """What became of the events of a request."""

    accepted: Count = Field(description="Kafka has these.")
    rejected: list[Rejected]
