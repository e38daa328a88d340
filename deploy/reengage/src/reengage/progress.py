"""A bar on standard error that shows how a synchronization gets on."""

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
