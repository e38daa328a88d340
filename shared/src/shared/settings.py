"""What a service is told by its environment, and what an organization can set."""

import os
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Driver = Literal["motor", "pymongo"]

DEFAULT_SYNC_INTERVAL_SECONDS = 300


class ServiceSettings(BaseSettings):
    """The environment that all services share; a service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    mongodb_uri: str = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    mongo_driver: Driver = "motor"
    instance: str = Field(
        default_factory=lambda: str(os.getpid()),
        validation_alias=AliasChoices("REENGAGE_INSTANCE", "instance"),
    )
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    log_level: str = "info"

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error", "critical"}:
            raise ValueError("debug, info, warning, error or critical")
        return value.lower()

    def instance_of(self, service: str) -> str:
        """The name of this process among those of a service: `<service>-<pid>` unless told."""
        return f"{service}-{self.instance}" if self.instance.isdigit() else self.instance


class OrganizationSettings(BaseModel):
    """What an organization can set, with the defaults for all it has not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    time_zone: str
    active_window_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    require_arrival_mark: bool = False
    industry_avg_contact_rate: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 55.0
    industry_avg_conversion: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 68.0
    benchmark_source: Annotated[str, Field(max_length=500)] = (
        "Default of the software, not a measurement: replace it with figures of your field."
    )
    followup_days: dict[str, Annotated[int, Field(ge=1, le=3_650)]] = Field(default_factory=lambda: {"*": 28})
    retry_after_days: Annotated[int, Field(ge=1, le=365)] = 7
    sync_interval: Annotated[int, Field(ge=1, le=86_400)] | None = None
    cliniko_requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 200

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("not an IANA time zone such as Australia/Sydney")
        return value

    @field_validator("followup_days")
    @classmethod
    def _days_for_all_others(cls, value: dict[str, int]) -> dict[str, int]:
        return {"*": 28, **value}

    @property
    def zone(self) -> ZoneInfo:
        """The organization's time zone, ready for arithmetic."""
        return ZoneInfo(self.time_zone)


RULE_SETTINGS = frozenset(
    {
        "time_zone",
        "active_window_days",
        "require_arrival_mark",
        "industry_avg_contact_rate",
        "industry_avg_conversion",
        "followup_days",
        "retry_after_days",
    }
)
"""Settings that the rules read: a change of one of them grows `settings_revision`."""
