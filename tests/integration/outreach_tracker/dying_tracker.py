"""The outreach tracker, killed the first time that it is about to publish what it has stored."""

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from outreach_tracker.app import NAME, create_app
from shared.kafka import KeyedProducer, Outgoing
from shared.service import run

died = Path(sys.argv[1])
died_before = died.exists()
publish_all = KeyedProducer.publish_all


async def die_once(self: KeyedProducer, records: Iterable[Outgoing]) -> Any:
    if not died_before:
        os.close(os.open(died, os.O_CREAT))
        os.kill(os.getpid(), signal.SIGKILL)
    return await publish_all(self, records)


KeyedProducer.publish_all = die_once  # type: ignore[method-assign]
run(NAME, create_app)
