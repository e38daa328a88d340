"""Is this process alive, and is it getting on? For people, supervisors and the CLI."""

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from pymongo.errors import PyMongoError

from rules.instants import to_datetime
from shared.clock import Clock
from shared.faults import describe
from shared.logs import log_of
from shared.mongo import Database

State = Literal["starting", "ready", "stopping"]
Reasons = Callable[[], Sequence[str]]

_HEARTBEAT_SECONDS = 1.0
_REQUEST_SECONDS = 5.0
_FORGOTTEN_AFTER_SECONDS = 600
"""A killed process leaves its document behind for so long; it counts as gone after five seconds."""

_log = log_of("health")


class Health:
    """What the process knows of itself: `ready` once started and with no reason against it."""

    def __init__(self, not_ready: Reasons, not_live: Reasons = tuple) -> None:
        self._not_ready = not_ready
        self.not_live = not_live
        self.started = False
        self.stopping = False

    def not_ready(self) -> list[str]:
        """Why the process cannot do its work now; empty: it can."""
        if self.stopping:
            return ["stopping"]
        if not self.started:
            return ["starting", *self._not_ready()]
        return list(self._not_ready())

    @property
    def state(self) -> State:
        """What the heartbeat says."""
        if self.stopping:
            return "stopping"
        return "starting" if self.not_ready() else "ready"


class HealthServer:
    """Answers /livez and /readyz: 200, or 503 with the reasons."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens; with port 0 on any free one, `port` tells which."""
        self._server = await asyncio.start_server(self._on_connection, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listens no longer."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(request.split(b" ", 2)[1].decode("ascii", "replace")))
                await writer.drain()
        with suppress(OSError):
            writer.close()

    def _answer(self, target: str) -> bytes:
        path = target.split("?", 1)[0]
        if path == "/livez":
            return _response(list(self._health.not_live()), "live", "not live")
        if path == "/readyz":
            return _response(self._health.not_ready(), "ready", "not ready")
        return _http(404, {"state": "no such page"})


def _response(reasons: list[str], good: str, bad: str) -> bytes:
    status = 503 if reasons else 200
    return _http(status, {"state": bad if reasons else good, "reasons": reasons})


def _http(status: int, body: dict[str, object]) -> bytes:
    text = json.dumps(body).encode()
    phrase = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}[status]
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(text)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + text


class Heartbeat:
    """Keeps the process's document in `reengage.instances` fresh, every second.

    Processes on several machines may have one name, so each has a document of its own.
    """

    def __init__(self, database: Database, health: Health, *, service: str, instance: str, clock: Clock) -> None:
        self._instances = database["instances"]
        self._health = health
        self._service = service
        self._instance = instance
        self._id = f"{service}/{instance}/{uuid.uuid4().hex}"
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._written = False
        self._indexed = False
        self._ended = asyncio.Event()
        self.health_port = 0

    async def start(self) -> None:
        """Begins to beat; a database that is away is no reason not to start."""
        self._task = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Removes the document."""
        self._ended.set()
        if self._task is not None:  # a write that is under way would bring the document back
            await asyncio.wait([self._task], timeout=2)
        if not self._written:
            return
        with suppress(PyMongoError, TimeoutError):
            async with asyncio.timeout(2):
                await self._instances.delete_one({"_id": self._id})

    async def _beat(self) -> None:
        told = False
        while not self._ended.is_set():
            try:
                await self.write()
                self._written, told = True, False
            except PyMongoError as fault:
                if not told:
                    _log.warning("no heartbeat: MongoDB is away", error=describe(fault))
                self._written, told = False, True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _HEARTBEAT_SECONDS)

    async def write(self) -> None:
        """One beat."""
        if not self._indexed:
            await self._instances.create_index([("at", 1)], expireAfterSeconds=_FORGOTTEN_AFTER_SECONDS)
            self._indexed = True
        document = {
            "service": self._service,
            "instance": self._instance,
            "pid": os.getpid(),
            "state": self._health.state,
            "at": to_datetime(self._clock.now()),
            "health_port": self.health_port,
        }
        await self._instances.update_one({"_id": self._id}, {"$set": document}, upsert=True)
