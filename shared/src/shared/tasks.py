"""Ending a task for good."""

import asyncio
from typing import Any

AGAIN_SECONDS = 1.0


async def cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels them and returns when they have ended, whatever came of them.

    Again and again: a driver under way may swallow one cancellation, and its caller then goes on.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
