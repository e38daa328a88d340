"""What can go wrong."""


class PublishError(Exception):
    """The events did not (demonstrably) arrive; trying again is safe."""


class RejectedError(PublishError):
    """The gateway refused: trying the same again is of no use. `details` never quote the event."""

    def __init__(self, status: int, details: list[str]) -> None:
        self.status = status
        self.details = details
        super().__init__(f"the gateway answered {status}: {'; '.join(details) or 'no details'}")
