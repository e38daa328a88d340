"""Listens: several gateways share one port, and one that stops loses no request."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from api_gateway.protocol import bounded_by
from api_gateway.settings import GatewaySettings
from shared.faults import StatedError

GRACE_SECONDS = 8
"""How long requests may still run when the server stops: less than the service's own patience."""

KEEP_ALIVE_SECONDS = 75
BACKLOG = 1_024


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket bound with SO_REUSEPORT: the kernel spreads connections over all who listen so.

    Raises StatedError when another program has the port for itself.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as fault:
        listener.close()
        raise StatedError(f"cannot listen on {host}:{port}: {fault.strerror}") from fault
    listener.setblocking(False)
    return listener


class Uvicorn(uvicorn.Server):
    """uvicorn's server without its own signal handlers, and with a stop that loses no connection."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says when connections are accepted."""
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to `shared.service`."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes in what waits to be accepted before it closes the socket.

        The kernel resets connections that wait at a socket when it is closed, even while another
        gateway listens on the same port.
        """
        kept = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        waiting = [connection for listener in kept for connection in _accept_last(listener)]
        loop = asyncio.get_running_loop()
        for connection in waiting:
            with suppress(OSError):
                await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state={})


def _accept_last(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait at a socket whose last descriptor this is; closes it at once."""
    waiting = []
    with suppress(BlockingIOError):
        while True:
            waiting.append(listener.accept()[0])
    listener.close()
    for connection in waiting:
        connection.setblocking(False)
    return waiting


class GatewayServer:
    """The part of the service that answers HTTP.

    `build` is asked for the application at the start: it may need what only a server that is
    reachable can tell.
    """

    def __init__(self, build: Callable[[], Awaitable[ASGIApp]], settings: GatewaySettings) -> None:
        self._build = build
        self._settings = settings
        self._server: Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = settings.reengage_gateway_port

    async def start(self) -> None:
        """Returns once connections are accepted."""
        listener = listening_socket(self._settings.api_gateway_host, self._settings.reengage_gateway_port)
        try:
            app = await self._build()
        except BaseException:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=bounded_by(self._settings),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([listener]))
        accepting = asyncio.create_task(self._server.accepting.wait())
        await asyncio.wait([accepting, self._serving], return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()
        if self._serving.done():
            await self._serving

    async def stop(self) -> None:
        """Returns once the requests that ran are answered."""
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = True
        await asyncio.wait([self._serving])

    def not_live(self) -> list[str]:
        """That the server ended by itself."""
        return ["not listening"] if self._serving is not None and self._serving.done() else []
