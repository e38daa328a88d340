"""What the query of each route may hold; messages name what is allowed, never what was sent."""

import re
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from api_gateway.errors import Flaw, malformed
from api_gateway.moments import NOT_A_DAY, NOT_A_MOMENT, Moment, parse_day, parse_moment
from api_gateway.ports import (
    RISK_LEVELS,
    TREND_METRICS,
    ActionRequired,
    DaysBetween,
    LastDays,
    PatientQuery,
    PerformancePeriod,
    RiskLevel,
    SortBy,
    TrendMetric,
    TrendPeriod,
)

DEFAULT_LIMIT, MAX_LIMIT = 50, 500
DEFAULT_DAYS, MAX_DAYS = 30, 366
MAX_PERIOD_DAYS = 3660
MAX_CURSOR = 2_000
LOOKS_LIKE = 0.8
"""How alike (0 to 1) an unknown name must be to one of the route's to count as a slip of the pen."""

_WHOLE = re.compile(r"[0-9]{1,9}")
_YEARS = r"(?:19[0-9]{2}|2[01][0-9]{2}|2200)"


def _moment(value: Any) -> Moment:
    if not isinstance(value, str):
        raise ValueError(NOT_A_MOMENT)  # noqa: TRY004 - pydantic turns ValueError alone into a flaw
    return parse_moment(value)


def _day(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError(NOT_A_DAY)  # noqa: TRY004
    return parse_day(value)


def _whole(first: int, last: int) -> PlainValidator:
    def parse(value: Any) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value) and first <= int(value) <= last:
            return int(value)
        raise ValueError(f"must be a whole number from {first} to {last}")

    return PlainValidator(parse)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise ValueError("must be true or false")


def _listed(value: Any) -> Any:
    """The values of a parameter that was repeated, separated by commas, or both."""
    if isinstance(value, list):
        return [part.strip() for text in value for part in str(text).split(",")]
    return value


def _cursor(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_CURSOR:
        raise ValueError("is no cursor of this server")
    return value


AsOf = Annotated[
    Moment | None,
    PlainValidator(_moment),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_YEARS}-",
            "anyOf": [{"format": "date-time"}, {"format": "date"}],
            "examples": ["2025-06-30", "2025-06-30T08:00:00Z"],
        }
    ),
]
Day = Annotated[
    date | None,
    PlainValidator(_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_YEARS}-", "examples": ["2025-06-01"]}),
]
Limit = Annotated[
    int,
    _whole(1, MAX_LIMIT),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
]
DayCount = Annotated[
    int | None, _whole(1, MAX_DAYS), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_DAYS})
]
Truth = Annotated[bool, PlainValidator(_truth), WithJsonSchema({"type": "boolean", "default": False})]
Cursor = Annotated[str | None, PlainValidator(_cursor), WithJsonSchema({"type": "string", "maxLength": MAX_CURSOR})]
Levels = Annotated[frozenset[Literal[RiskLevel, "all"]], BeforeValidator(_listed)]
Actions = Annotated[frozenset[ActionRequired], BeforeValidator(_listed)]
Metrics = Annotated[frozenset[TrendMetric], BeforeValidator(_listed)]


class ReadParameters(BaseModel):
    """What every read takes."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, populate_by_name=True)

    as_of: AsOf = Field(
        None,
        description="The answer as of then: an RFC 3339 instant, or a plain day of the organization's calendar"
        " (its last microsecond; today means now). Default: now. A future instant is a forecast in which"
        " nothing new happens.",
    )


class RiskParameters(ReadParameters):
    """Parameters of risk-metrics."""

    include_dormant: Truth = Field(False, description="Count dormant patients by their days, too.")


class PerformanceParameters(ReadParameters):
    """Parameters of performance."""

    days: DayCount = Field(
        None, description=f"The last N local days, today included. Default: {DEFAULT_DAYS}. Not together with from, to."
    )
    from_: Day = Field(None, alias="from", description="First local day; only together with to.")
    to: Day = Field(None, description=f"Last local day, included; at most {MAX_PERIOD_DAYS} days in all.")

    def period(self) -> PerformancePeriod:
        """The period asked for; ends the request when the parameters contradict each other."""
        if self.from_ is None and self.to is None:
            return LastDays(DEFAULT_DAYS if self.days is None else self.days)
        if self.days is not None:
            raise malformed(Flaw("must not be combined with from or to", parameter="days"))
        if self.from_ is None or self.to is None:
            raise malformed(Flaw("from and to are needed together", parameter="to" if self.to is None else "from"))
        if self.from_ > self.to:
            raise malformed(Flaw("must not be after to", parameter="from"))
        if (self.to - self.from_).days >= MAX_PERIOD_DAYS:
            raise malformed(Flaw(f"must be at most {MAX_PERIOD_DAYS} days from from", parameter="to"))
        return DaysBetween(self.from_, self.to)


class TrendParameters(ReadParameters):
    """Parameters of trends."""

    period: TrendPeriod = Field("30d", description="How many local days, T's last: 6m is 182, 1y is 365.")
    metrics: Metrics = Field(
        frozenset(TREND_METRICS), description="What to answer; the rest is left out. Default: all three."
    )


class PageParameters(ReadParameters):
    """Parameters of a list."""

    limit: Limit = Field(DEFAULT_LIMIT, description="Items of a page.")
    cursor: Cursor = Field(
        None,
        description="next_cursor of the page before: belongs to the query that made it, and to the instant of the"
        " walk's first page.",
    )


class PrioritizedParameters(PageParameters):
    """Parameters of the prioritized list of patients."""

    risk_level: Levels = Field(frozenset({"all"}), description="Any of these levels; all: every one of the five.")
    action_required: Actions = Field(frozenset(), description="Any of these; default: whatever is to be done.")
    sort_by: SortBy = Field(
        "risk_score", description="risk_score and days_since_contact fall, next_action_date rises; ties by id."
    )
    include_dormant: Truth = Field(False, description="Dormant patients, too.")
    explain: Truth = Field(False, description="With risk_parts: the named parts that add up to risk_score.")

    def query(self) -> PatientQuery:
        """The filters and the order asked for."""
        levels = frozenset(level for level in self.risk_level if level != "all")
        return PatientQuery(
            risk_levels=frozenset(RISK_LEVELS) if "all" in self.risk_level else levels,
            actions=self.action_required,
            sort_by=self.sort_by,
            include_dormant=self.include_dormant,
            explain=self.explain,
        )


_LISTS = frozenset({"risk_level", "action_required", "metrics"})
_ALL_NAMES = frozenset(
    field.alias or name
    for model in (RiskParameters, PerformanceParameters, TrendParameters, PrioritizedParameters)
    for name, field in model.model_fields.items()
)


class WellFormed:
    """Refuses queries that would be answered otherwise than meant.

    A single value given twice, a parameter of another route, a name that resembles one of this
    route's. Other unknown names (of caches, of tracing) are ignored.
    """

    def __init__(self, model: type[ReadParameters], *, tolerated: frozenset[str] = frozenset()) -> None:
        self._names = frozenset(field.alias or name for name, field in model.model_fields.items())
        self._tolerated = tolerated

    async def check(self, request: Request) -> None:
        """Ends the request with 422 when its query is not well-formed."""
        flaws = self._flaws(request)
        if flaws:
            raise malformed(*flaws)

    def _flaws(self, request: Request) -> list[Flaw]:
        flaws = []
        seen: set[str] = set()
        for name, _ in request.query_params.multi_items():
            if name in self._names:
                if name in seen and name not in _LISTS:
                    flaws.append(Flaw("is given more than once", parameter=name))
                seen.add(name)
            elif name in _ALL_NAMES:
                if name not in self._tolerated:
                    flaws.append(Flaw("is no parameter of this route", parameter=name))
            elif meant := get_close_matches(name.lower()[:40], self._names, n=1, cutoff=LOOKS_LIKE):
                flaws.append(Flaw("a parameter of a similar name was sent: is this one meant?", parameter=meant[0]))
        return flaws
