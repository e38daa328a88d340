"""What a service is told by its environment."""

import os
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Driver = Literal["motor", "pymongo"]


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
