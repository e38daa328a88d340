"""A gateway on fakes for each test."""

from collections.abc import AsyncIterator

import httpx
import pytest

from unit.api_gateway.gateway import Gateway


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a token of the staff."""
    async with gateway.client() as opened:
        yield opened
