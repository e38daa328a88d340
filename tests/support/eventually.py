"""Waits for what is to become true, instead of sleeping and hoping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LONGEST_PAUSE = 0.1


async def eventually(assertion: Callable[[], T | Awaitable[T]], *, within: float = 10.0) -> T:
    """What `assertion` returns, once it raises no AssertionError; the last one after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    pause = 0.005
    while True:
        try:
            answer = assertion()
            return await answer if inspect.isawaitable(answer) else answer
        except AssertionError:
            if loop.time() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
