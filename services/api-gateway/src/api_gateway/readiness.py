"""Can the gateway answer? MongoDB and Kafka are asked every second, not at every probe."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shared.faults import describe
from shared.logs import log_of
from shared.tasks import cancelled

Check = Callable[[], Awaitable[None]]

INTERVAL_SECONDS = 1.0
PATIENCE_SECONDS = 3.0

_log = log_of("readiness")


class KafkaProbe:
    """Asks Kafka for its metadata, over one connection that is made anew after a failure."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._client: AIOKafkaClient | None = None

    async def check(self) -> None:
        """Raises when no broker answers."""
        try:
            if self._client is None:
                self._client = AIOKafkaClient(bootstrap_servers=self._bootstrap_servers, client_id="gateway-probe")
                await self._client.bootstrap()
            answered = await self._client.force_metadata_update()
        except BaseException:
            await self.close()
            raise
        if not answered:
            await self.close()
            raise KafkaError("no broker answers")

    async def close(self) -> None:
        """Disconnects."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaError, OSError):
                await client.close()


class Readiness:
    """Knows which of the things that answers need cannot be reached."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._reasons: dict[str, str] = {name: f"{name} was not asked yet" for name in checks}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once everything was asked."""
        await self.ask()
        self._task = asyncio.create_task(self._keep_asking())

    async def stop(self) -> None:
        """Asks no more."""
        if self._task is not None:
            await cancelled(self._task)

    def not_ready(self) -> list[str]:
        """What cannot be reached, as last seen."""
        return list(self._reasons.values())

    async def ask(self) -> None:
        """Asks everything once, together."""
        await asyncio.gather(*(self._ask_one(name, check) for name, check in self._checks.items()))

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            await self.ask()

    async def _ask_one(self, name: str, check: Check) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await check()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the thing cannot be used
            if name not in self._reasons:
                _log.warning("out of reach", resource=name, error=describe(fault))
            self._reasons[name] = f"{name} is out of reach"
        else:
            if self._reasons.pop(name, None):
                _log.info("in reach", resource=name)
