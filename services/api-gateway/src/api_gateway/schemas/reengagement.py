"""Bodies of the re-engagement endpoints."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from api_gateway.ports import RiskLevel

Count = Annotated[int, Field(ge=0)]
Percent = Annotated[float, Field(description="Percent, one decimal.")]
Channel = Literal["sms", "email", "phone"]
Absent = SkipJsonSchema[None]
"""Left out of the body when there is nothing: never null."""

RecommendedAction = Literal[
    "immediate_phone_call",
    "sms_and_follow_up",
    "automated_check_in",
    "routine_monitoring",
    "none",
    "confirm_upcoming_appointment",
    "review_manually",
]


class RiskSummary(BaseModel):
    """Patients in scope that are not dormant, by level."""

    critical_risk: Count
    high_risk: Count
    medium_risk: Count
    low_risk: Count
    engaged: Count


class Alerts(BaseModel):
    """Numbers of patients: each is the length of the list with the filter of that name."""

    missed_appointments_14d: Count
    failed_communications: Count
    overdue_followups: Count
    no_future_appointments: Count


class Reading(BaseModel):
    """What every answer of these endpoints says of itself."""

    organization_id: str
    as_of: datetime
    last_updated: datetime | None = Field(description="When the newest fact behind the answer was applied.")


class RiskMetrics(Reading):
    """How many patients are at which risk."""

    risk_summary: RiskSummary
    alerts: Alerts
    immediate_actions_required: Count
    dormant: Count


class ReengagementMetrics(BaseModel):
    """What the outreach of the timeframe achieved; a rate over zero is null."""

    outreach_attempts: Count
    successful_contacts: Count
    contact_success_rate: Percent | None
    appointments_scheduled: Count
    conversion_rate: Percent | None
    avg_days_to_reengage: float | None


class SmsFunnel(BaseModel):
    """Messages by SMS that came at least so far."""

    sent: Count
    delivered: Count
    responded: Count
    response_rate: Percent | None


class EmailFunnel(BaseModel):
    """Messages by email that came at least so far."""

    sent: Count
    opened: Count
    responded: Count
    response_rate: Percent | None


class PhoneFunnel(BaseModel):
    """Calls that came at least so far."""

    attempted: Count
    connected: Count
    appointment_booked: Count
    conversion_rate: Percent | None


class Channels(BaseModel):
    """The messages of the timeframe's attempts, by channel."""

    sms: SmsFunnel
    email: EmailFunnel
    phone: PhoneFunnel


class BenchmarkComparison(BaseModel):
    """Our rates against the organization's benchmarks."""

    industry_avg_contact_rate: float
    industry_avg_conversion: float
    our_performance: Literal["above_average", "average", "below_average"] | None
    source: str = Field(description="Where the averages come from.")


class Performance(Reading):
    """How outreach does."""

    timeframe: str = Field(description="last_N_days, or the first and the last day, as 2026-01-01/2026-01-31.")
    reengagement_metrics: ReengagementMetrics
    communication_channels: Channels
    benchmark_comparison: BenchmarkComparison


class HistoryEntry(BaseModel):
    """One attempt to reach the patient."""

    date: date
    method: Channel
    success: bool
    reason: str | None


class RiskPart(BaseModel):
    """One named part of the risk score; the parts add up to it exactly."""

    name: str
    points: int
    because: str


class Patient(BaseModel):
    """One row of the list."""

    id: str
    name: str
    phone: str | None
    email: str | None
    risk_level: RiskLevel
    risk_score: Annotated[int, Field(ge=0, le=100)]
    days_since_last_contact: Count
    last_appointment_date: date | None
    next_scheduled_appointment: datetime | None
    recommended_action: RecommendedAction
    action_priority: Annotated[int, Field(ge=1, le=5)]
    next_action_date: date
    communication_preferences: list[Channel]
    best_contact_time: Literal["morning", "afternoon", "evening"] | None
    previous_response_rate: Percent | None
    total_lifetime_appointments: Count
    missed_appointments_last_90d: Count
    reengagement_history: list[HistoryEntry] = Field(description="Newest first; at most 10 in lists.")
    health_conditions: list[str]
    referral_source: str | None
    last_treatment_outcome: str | None
    risk_parts: list[RiskPart] | Absent = Field(None, description="With explain=true.")


class ListSummary(BaseModel):
    """Of the organization, whatever the filters."""

    total_at_risk: Count
    immediate_action_required: Count
    avg_days_since_contact: float | None
    success_rate_prediction: Percent | None


class PrioritizedPatients(Reading):
    """One page of the patients, most urgent first."""

    patients: list[Patient]
    summary: ListSummary
    total_count: Count = Field(description="Of the whole filtered list.")
    next_cursor: str | None = Field(description="Null on the last page.")


class TimelineEntry(BaseModel):
    """One thing that happened; further fields depend on its kind."""

    model_config = ConfigDict(extra="allow")

    at: datetime
    kind: str


class PatientDetail(Patient, Reading):
    """The row of the list with the patient's whole history."""

    risk_parts: list[RiskPart]
    timeline: list[TimelineEntry] = Field(description="Newest first.")


class LevelCounts(BaseModel):
    """Patients by level at the end of the day."""

    critical: Count
    high: Count
    medium: Count
    low: Count
    engaged: Count


class DailyTrend(BaseModel):
    """One local day."""

    date: date
    new_at_risk: Count | Absent = None
    reengaged_successfully: Count | Absent = None
    outreach_attempts: Count | Absent = None
    appointments_scheduled: Count | Absent = None
    risk_levels: LevelCounts | Absent = None


class ChannelTrend(BaseModel):
    """The share of attempts answered on the channel, against the period before; null without attempts."""

    success_rate_trend: Literal["improving", "stable", "declining"] | None
    change_pct: float | None = Field(description="Points, one decimal.")


class ChannelTrends(BaseModel):
    """One trend for each channel."""

    sms: ChannelTrend
    email: ChannelTrend
    phone: ChannelTrend


Trend = Literal["increasing", "stable", "decreasing"]


class RiskDistributionChanges(BaseModel):
    """The last day against the first."""

    critical_trend: Trend
    high_trend: Trend
    overall_improvement: bool


class Trends(Reading):
    """How numbers moved, day by day, oldest first; what `metrics` did not ask for is left out."""

    period: Literal["7d", "30d", "90d", "6m", "1y"]
    daily_trends: list[DailyTrend]
    channel_performance_trends: ChannelTrends | Absent = None
    risk_distribution_changes: RiskDistributionChanges | Absent = None
