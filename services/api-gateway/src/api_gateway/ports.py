"""What the HTTP side needs from the rest: prepared bodies, callers, organizations, the broker.

Bodies are plain dicts, shaped as the documents say, without any concern of HTTP: the instant
of the answer (`as_of`) and the cursor of the next page are added on this side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple, Protocol, get_args

from api_gateway.standing import Standing
from shared.identity import Caller
from shared.kafka import Outgoing
from shared.organizations import Organization

RiskLevel = Literal["critical", "high", "medium", "low", "engaged"]
ActionRequired = Literal["missed_appt", "overdue_followup", "failed_contact", "no_future_appt"]
SortBy = Literal["risk_score", "days_since_contact", "next_action_date"]
TrendPeriod = Literal["7d", "30d", "90d", "6m", "1y"]
TrendMetric = Literal["risk_levels", "success_rates", "channel_performance"]

RISK_LEVELS: tuple[RiskLevel, ...] = get_args(RiskLevel)
TREND_METRICS: tuple[TrendMetric, ...] = get_args(TrendMetric)

Body = dict[str, Any]
Position = tuple[Any, ...]
"""The sort position of a page's last item: what JSON can hold, lists inside it stay lists."""


@dataclass(frozen=True, slots=True)
class LastDays:
    """The last N local days, those that end with the day of `as_of`."""

    days: int

    @property
    def timeframe(self) -> str:
        """How answers name the period."""
        return f"last_{self.days}_days"


@dataclass(frozen=True, slots=True)
class DaysBetween:
    """Local days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def timeframe(self) -> str:
        """How answers name the period."""
        return f"{self.first}/{self.last}"


PerformancePeriod = LastDays | DaysBetween


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """Which patients a list holds, in which order, and how much it says about each."""

    risk_levels: frozenset[RiskLevel]
    """Never empty: all five when nothing was asked for."""
    actions: frozenset[ActionRequired]
    """Empty: whatever is to be done; several: any of them."""
    sort_by: SortBy
    include_dormant: bool
    explain: bool


class Page(NamedTuple):
    """One page of a list; `next_after` is None on the last."""

    body: Body
    next_after: Position | None


class Readings(Protocol):
    """Every number of every read endpoint, as of an instant (microseconds since the epoch).

    A transient error (`shared.faults.is_transient`) is answered with 503 and Retry-After.
    """

    async def standing(self, organization: Organization) -> Standing:
        """What answers a request: read once, so that days are of the zone that the numbers are of."""
        ...

    async def risk_metrics(self, standing: Standing, *, as_of: int, include_dormant: bool) -> Body: ...

    async def performance(self, standing: Standing, *, as_of: int, period: PerformancePeriod) -> Body: ...

    async def trends(
        self,
        standing: Standing,
        *,
        as_of: int,
        period: TrendPeriod,
        metrics: frozenset[TrendMetric],
    ) -> Body: ...

    async def prioritized(
        self,
        standing: Standing,
        *,
        as_of: int,
        query: PatientQuery,
        after: Position | None,
        limit: int,
    ) -> Page: ...

    async def patient(self, standing: Standing, patient_id: str, *, as_of: int) -> Body | None: ...

    async def debug_contacts(self, standing: Standing, *, as_of: int) -> Body: ...

    async def sync_status(self, standing: Standing, *, as_of: int) -> Body: ...

    async def active_patients(self, standing: Standing, *, as_of: int, after: Position | None, limit: int) -> Page: ...

    async def active_patients_summary(self, standing: Standing, *, as_of: int) -> Body: ...

    async def contacts_with_appointments(
        self, standing: Standing, *, as_of: int, after: Position | None, limit: int
    ) -> Page: ...


class Directory(Protocol):
    """Which organizations there are (`shared.organizations.OrganizationDirectory`)."""

    async def find(self, organization_id: str) -> Organization | None: ...


class Tokens(Protocol):
    """Whom a token speaks for (`shared.identity.TokenDirectory`)."""

    async def caller(self, text: str) -> Caller | None: ...


class Publisher(Protocol):
    """Puts records into Kafka (`shared.kafka.KeyedProducer`)."""

    async def publish_all(self, records: Iterable[Outgoing]) -> Any:
        """Returns once Kafka has every record for good.

        Raises a transient error (`shared.faults`) when that is not certain: some may be there,
        publishing all of them again is then right.
        """
        ...
