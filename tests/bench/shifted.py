"""A service whose clock is ahead: `python -m bench.shifted FILE` runs the risk engine, ahead of the
machine's clock by as many microseconds as the file says; the file may change meanwhile.
"""

import asyncio
import sys
from pathlib import Path

from risk_engine.app import create
from shared.clock import SystemClock
from shared.logs import configure_logs
from shared.service import serve
from shared.settings import ServiceSettings

READ_EVERY = 0.2


class ShiftedClock(SystemClock):
    """The machine's clock, and the seconds of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = 0.0
        self._ahead = 0

    def now(self) -> int:
        """The shifted instant."""
        if self.monotonic() > self._read_at + READ_EVERY:
            self._ahead = int(self._file.read_text())
            self._read_at = self.monotonic()
        return super().now() + self._ahead


def main() -> int:
    """Runs until told to stop."""
    settings = ServiceSettings()
    configure_logs("risk-engine", settings.instance_of("risk-engine"), settings.log_level)
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.run(serve("risk-engine", create, settings, ShiftedClock(Path(sys.argv[1]))))


if __name__ == "__main__":
    sys.exit(main())
