"""A task that swallows a cancellation ends all the same."""

import asyncio

import pytest

from shared import tasks


async def test_a_swallowed_cancellation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.01)
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def fails() -> None:
        raise ValueError

    task, failed = asyncio.create_task(stubborn()), asyncio.create_task(fails())
    await asyncio.sleep(0)
    await tasks.cancelled(task, failed)
    assert task.cancelled()
    assert isinstance(failed.exception(), ValueError)
    await tasks.cancelled(task)
    await tasks.cancelled()
