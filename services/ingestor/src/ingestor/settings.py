"""What the environment tells the ingestor."""

from typing import Annotated

from pydantic import Field, field_validator

from shared.identity import KeySealer, SealError
from shared.settings import ServiceSettings

Seconds = Annotated[float, Field(gt=0)]


class IngestorSettings(ServiceSettings):
    """The shared environment, and what only the ingestor reads."""

    reengage_encryption_keys: Annotated[str, Field(validate_default=True)] = ""
    """Opens the API keys: `id:base64[,id:base64...]`."""

    sync_interval: Seconds = 300.0
    """From one synchronization of an organization to the next, unless it has its own."""

    ingestor_full_sync_interval: Seconds = 24 * 3600.0
    """From one full load to the next."""

    ingestor_sync_overlap: Annotated[float, Field(ge=0)] = 300.0
    """How far a cursor stays behind the begin of the run that moves it."""

    ingestor_stopped_retry: Seconds = 3600.0
    """How long an organization that Cliniko refused is left alone, unless its key changes."""

    ingestor_concurrency: Annotated[int, Field(ge=1, le=1_000)] = 32
    """API keys used at the same time."""

    @field_validator("reengage_encryption_keys")
    @classmethod
    def _openable(cls, text: str) -> str:
        try:
            KeySealer.from_text(text)
        except SealError as fault:
            raise ValueError(str(fault)) from None
        return text
