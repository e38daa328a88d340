"""Bodies of failed requests, and of the health checks."""

from typing import Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from api_gateway.schemas.outreach import Rejected

Absent = SkipJsonSchema[None]


class ProblemFlaw(BaseModel):
    """One thing wrong: in which parameter, or at which JSON pointer of the body. Never the value."""

    parameter: str | Absent = None
    pointer: str | Absent = None
    detail: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(description="Stable: tells kinds of problems apart.")
    title: str
    status: int
    detail: str
    errors: list[ProblemFlaw]
    instance: str | Absent = Field(None, description="Of failures of the server: the request's id.")


class IngressProblem(Problem):
    """None of the events was acceptable."""

    accepted: Literal[0] | Absent = None
    rejected: list[Rejected] | Absent = None


class Health(BaseModel):
    """Whether the process lives, or can answer."""

    state: Literal["live", "ready", "not ready"]
    reasons: list[str]
