"""Bars on standard error that show how something long gets on."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from reengage.output import console


class ProgressBar:
    """Shows a request's `progress`; without a terminal only its last state."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[published]} published"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console(stderr=True))
        self._task: TaskID = self._progress.add_task("waiting for the ingestor", total=None, count="", published=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def show(self, request: Mapping[str, Any]) -> None:
        """Draws the request as it is now."""
        progress = request["progress"]
        if request["state"] == "requested":
            return
        read, total = progress["read"], progress["total"]
        done = request["state"] == "done"
        self._progress.update(
            self._task,
            description="done" if done else str(progress["resource"] or "reading"),
            total=(read or 1) if done else total,
            completed=(read or 1) if done else read,
            count="" if done else f"{read}/{total}" if total else str(read),
            published=progress["published"],
        )


class CountBar:
    """Shows what is being done, and how many of how many are done."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console(stderr=True))
        self._task: TaskID = self._progress.add_task("", total=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def show(self, doing: str, done: int, total: int) -> None:
        """Draws the counts as they are now."""
        self._progress.update(self._task, description=doing, completed=done, total=max(total, done))
