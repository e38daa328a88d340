"""What the gateway is told by its environment."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


class GatewaySettings(ServiceSettings):
    """The gateway's own settings beside those of every service; a field is named as its variable."""

    api_gateway_host: str = "127.0.0.1"
    reengage_gateway_port: Annotated[int, Field(ge=0, le=65_535)] = 8800
    allowed_origins: Annotated[frozenset[str], NoDecode] = frozenset()
    """Browser origins that may call the gateway: never `*`."""

    api_gateway_max_requests: Annotated[int, Field(ge=1)] = 256
    """Requests that run at once; one more is answered 503."""
    api_gateway_max_uploads: Annotated[int, Field(ge=1)] = 64
    """Requests with events that run at once: each may hold 1 MiB."""
    api_gateway_max_connections: Annotated[int, Field(ge=1)] = 2_000
    """Connections that are open at once; one more is closed."""
    api_gateway_request_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long an answer may take."""
    api_gateway_client_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How long a client may take over a request's head, over its body, or to take the answer."""
    api_gateway_publish_seconds: Annotated[float, Field(gt=0)] = 8.0
    """How long Kafka may take to acknowledge events."""

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: frozenset[str]) -> frozenset[str]:
        if not all(_ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("origins as https://app.example.com, separated by commas; never *")
        return frozenset(origin.lower() for origin in value)
