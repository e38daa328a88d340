"""The ingestor as a process of its own, with databases of a test's own and a place to die at.

Environment beside the service's own and REENGAGE_FAILPOINT: TEST_DATABASES (prefix), TEST_CRASH
(`in-patients`: dies by SIGKILL at a batch of patients; with a number of batches to let pass after a
colon), TEST_LEASE (seconds: shorter than the service's own, where a test only waits for the next one).
"""

import os
import signal

from ingestor import app, contacts, leases, ledger
from ingestor.settings import IngestorSettings
from integration.ingestor.harness import OwnDatabases
from shared import service


def main() -> None:
    _own_databases(os.environ["TEST_DATABASES"])
    _sign_requests(os.environ["REENGAGE_INSTANCE"])
    where, _, passes = os.environ.get("TEST_CRASH", "").partition(":")
    if where:
        _die(where, int(passes or 0))
    if seconds := os.environ.get("TEST_LEASE"):
        leases.LEASE_SECONDS = float(seconds)
        leases.TRUSTED_SECONDS = float(seconds) * 0.8
        leases.RENEW_EVERY_SECONDS = float(seconds) / 4
    service.run("ingestor", app.create, IngestorSettings)


def _own_databases(prefix: str) -> None:
    opened = service.open_database_client
    service.open_database_client = lambda *args: OwnDatabases(opened(*args), prefix)  # type: ignore[assignment]


def _sign_requests(instance: str) -> None:
    """The sandbox's log shows this header as `client`."""
    start = app.Http.start

    async def signed(self: app.Http) -> None:
        self.client.headers["x-client"] = instance
        await start(self)

    app.Http.start = signed  # type: ignore[method-assign]


def _die(where: str, passes: int) -> None:
    left = passes

    def perhaps() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if where == "in-patients":
        take = contacts.take_patients

        async def taken(work: ledger.Work, batch: contacts.Batch) -> None:
            perhaps()
            await take(work, batch)

        contacts.take_patients = taken  # type: ignore[assignment]
    else:
        raise ValueError(where)


if __name__ == "__main__":
    main()
