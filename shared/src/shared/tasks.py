"""Tasks that belong together, and ending one for good."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

AGAIN_SECONDS = 1.0


async def cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels them and returns when they have ended, whatever came of them.

    Again and again: one that comes just when `asyncio.wait_for` got its answer is lost (Python before
    3.12), a database driver waits that way, and who loops around it goes on.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Runs them at once until one ends or fails, which ends all of them."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        ending = asyncio.create_task(cancelled(*tasks))
        while not ending.done():  # whoever cancels again need not: that is done here
            with suppress(asyncio.CancelledError):
                await asyncio.shield(ending)
