"""All that a running sandbox holds: clinics by key, limits, faults and the log."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from support.sandbox.clinic import Clinic
from support.sandbox.clock import Clock, wall_clock
from support.sandbox.faults import Faults
from support.sandbox.limits import RateLimit
from support.sandbox.request_log import RequestLog

_SHARD = re.compile(r"-[a-z]{2}\d{1,2}$")


def without_shard(key: str) -> str:
    """Return an API key without the `-au1` at its end, which may be left off."""
    return _SHARD.sub("", key)


@dataclass
class Sandbox:
    """The state behind the sandbox's two sides, the Cliniko one and the admin one."""

    clock: Clock = wall_clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clinics: dict[str, Clinic] = field(default_factory=dict)
    limit: RateLimit = field(default_factory=RateLimit)
    faults: defaultdict[str, Faults] = field(default_factory=lambda: defaultdict(Faults))
    log: RequestLog = field(default_factory=RequestLog)

    def serve(self, key: str, clinic: Clinic) -> None:
        """Let a key open a clinic, in place of the one it opened before."""
        self.clinics[without_shard(key)] = clinic

    def clinic_of(self, key: str) -> Clinic | None:
        """Return the clinic that a key opens, with or without its shard."""
        return self.clinics.get(without_shard(key))
