"""One secret for all gateways, whoever is first."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from api_gateway import store
from api_gateway.store import cursor_secret
from shared.mongo import Database, open_database_client
from shared.settings import Driver


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_gateways_that_start_together_agree_on_the_secret(
    mongodb_uri: str, unique_name: str, driver: Driver
) -> None:
    clients = [open_database_client(mongodb_uri, driver) for _ in range(8)]
    found = await asyncio.gather(*(cursor_secret(client[unique_name]) for client in clients))
    again = await cursor_secret(clients[0][unique_name])

    assert len({*found, again}) == 1
    assert len(again) == 32
    await clients[0].drop_database(unique_name)
    for client in clients:
        await client.close()


async def test_a_database_that_is_away_is_waited_for(
    mongodb_uri: str, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_database_client(mongodb_uri)
    monkeypatch.setattr(store, "RETRY_SECONDS", 0)
    failures = [AutoReconnect("away")] * 3

    class Flaky:
        def __getitem__(self, name: str) -> Any:
            if failures:
                raise failures.pop()
            return client[unique_name][name]

    flaky: Any = Flaky()
    database: Database = flaky

    assert len(await cursor_secret(database)) == 32
    await client.drop_database(unique_name)
    await client.close()
