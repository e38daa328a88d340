"""What can be reported, the same by Kafka and by HTTP."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from reengage_publisher.events import Channel, Event, outreach_event, treatment_event

SOURCE = "/reengage-publisher"


def utc_now() -> datetime:
    """This machine's time: the package runs in systems that have no clock of ours."""
    return datetime.now(UTC)  # noqa: TID251


class Reporter(ABC):
    """Makes events of reports, and sends them; an async context manager."""

    def __init__(self, source: str, now: Callable[[], datetime]) -> None:
        self._source = source
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """Disconnects."""

    @abstractmethod
    async def send(self, events: Iterable[Event]) -> list[str]:
        """Publishes events made by `outreach_event` and `treatment_event`; returns their ids."""

    async def report(
        self,
        organization_id: str,
        patient_id: str,
        channel: Channel,
        outcome: str,
        message_id: str,
        *,
        event_id: str | None = None,
        time: datetime | str | None = None,
        attempt_id: str | None = None,
        campaign: str | None = None,
        reason: str | None = None,
        staff: str | None = None,
    ) -> str:
        """Reports what became of a message; returns the event's id.

        Raises InvalidEvent, before anything is sent, or PublishError.
        """
        event = outreach_event(
            organization_id,
            patient_id,
            channel,
            outcome,
            message_id,
            source=self._source,
            now=self._now(),
            event_id=event_id,
            time=time,
            attempt_id=attempt_id,
            campaign=campaign,
            reason=reason,
            staff=staff,
        )
        return (await self.send([event]))[0]

    async def report_treatment(
        self,
        organization_id: str,
        patient_id: str,
        outcome: str,
        *,
        event_id: str | None = None,
        time: datetime | str | None = None,
    ) -> str:
        """Reports how a treatment went; returns the event's id.

        Raises InvalidEvent, before anything is sent, or PublishError.
        """
        event = treatment_event(
            organization_id,
            patient_id,
            outcome,
            source=self._source,
            now=self._now(),
            event_id=event_id,
            time=time,
        )
        return (await self.send([event]))[0]
