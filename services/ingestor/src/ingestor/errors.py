"""What can go wrong with Cliniko, by what is to be done about it.

    ClinikoError
      RefusedError         401, 403: stop the organization until somebody has looked at the key
      SuspiciousLossError  records are missing as after a change of permissions: the same
      NotThereError        404: no such record, or a list that this account does not have
      NotFilterableError   400: this list does not take this question
      UnavailableError     5xx, 429, timeouts, nonsense, after all retries: later again
      ForeignLinkError     a page says that the next one is elsewhere, or where no URL leads: never followed
    LeaseLostError         another ingestor may be using the key by now: drop everything at once

No message holds a value of a record, a record's id, a key or a query.
"""

from shared.faults import StatedError, TransientError


class ClinikoError(StatedError):
    """Cliniko did not give what was asked for."""


class RefusedError(ClinikoError):
    """The API key is wrong, revoked, or its user may not see what was asked for."""

    def __init__(self, status: int, path: str) -> None:
        reason = (
            "the API key is wrong, revoked, or of another shard"
            if status == 401
            else "the key's user lacks the permission"
        )
        super().__init__(f"Cliniko refused {path} with {status}: {reason}")
        self.status = status


class SuspiciousLossError(ClinikoError):
    """More is missing than anybody deletes: rather the key's user may no longer see it."""


class NotThereError(ClinikoError):
    """No such record, or no such list in this account."""


class NotFilterableError(ClinikoError):
    """The list cannot be asked this question."""


class UnavailableError(ClinikoError, TransientError):
    """Cliniko is away, overloaded or talking nonsense."""


class ForeignLinkError(ClinikoError):
    """The link to the next page leads to another host or out of the API, or is no URL."""


class LeaseLostError(StatedError):
    """The right to use the API key ran out, or could not be renewed in time."""
