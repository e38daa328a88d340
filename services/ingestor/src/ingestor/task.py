"""One synchronization to do, and what it is done with."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingestor.due import Due
from ingestor.leases import Lease
from ingestor.store.intents import IntentStore
from ingestor.store.records import RecordStore
from ingestor.store.requests import RequestStore, SyncRequest
from ingestor.store.state import CursorStore, Status, StatusStore
from shared.budget import RequestBudget
from shared.faults import StatedError
from shared.organizations import Organization


class StoppingError(StatedError):
    """The ingestor is being stopped, or the organization was removed: nothing new is begun."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept in MongoDB."""

    records: RecordStore
    intents: IntentStore
    cursors: CursorStore
    statuses: StatusStore
    requests: RequestStore


@dataclass(slots=True)
class Task:
    """One synchronization to do."""

    organization: Organization
    due: Due
    status: Status
    requests: Sequence[SyncRequest]
    interval: float
    budget: RequestBudget
    lease: Lease
    watchers: list[str] = field(default_factory=list)
    """Requests that came later: they see how far this is, and are served afterwards."""

    reported_at: float = 0.0

    @property
    def org(self) -> str:
        """The organization's id."""
        return self.organization.id

    @property
    def request_ids(self) -> list[str]:
        """Of those who asked for it."""
        return [request.id for request in self.requests]
