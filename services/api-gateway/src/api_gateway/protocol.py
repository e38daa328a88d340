"""How one connection is treated: what a client may send, how slowly, and how it ends.

uvicorn waits for ever for the rest of a request's head and for a client that reads nothing, and
keeps heads of any size. Here all three have bounds, and a stopping server lets clients finish.
"""

import asyncio
from typing import Any
from uuid import uuid4

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api_gateway.errors import BAD_REQUEST, HEADERS_TOO_LARGE, MEDIA_TYPE, Kind, problem_body
from api_gateway.middleware import MAX_HEAD_BYTES, REQUEST_ID, SECURITY_HEADERS
from api_gateway.settings import GatewaySettings

LINGER_SECONDS = 1.0
"""How long a stopping server waits for the next request of an open connection, to answer it with
`Connection: close`: closing at once would cut off requests that are on their way."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds; `settings` is set by a subclass for each server."""

    settings: GatewaySettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._stopping = False
        self._ended = False
        self._at_work: RequestResponseCycle | None = None
        self._last_words: Kind | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bounds the number of connections, and the wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > self.settings.api_gateway_max_connections:
            transport.abort()
            return
        self._expect_progress()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the timer."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bounds the size of a head, and the time until it is there."""
        if self._ended:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._deadline is None:
                self._expect_progress()
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._end_with(HEADERS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is there: the application takes over."""
        self._in_head = False
        self._forget_deadline()
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Drops what is left of a body that nobody wanted, but not for ever.

        Closing at once would reset the connection, and the client would never read the answer.
        """
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._last_words is not None and self._idle():
            self._say(self._last_words)
        elif not self._in_head and not self._ended:
            self._expect_progress()

    def on_message_complete(self) -> None:
        """What comes next is the head of another request."""
        if not self._in_head and self.cycle.response_complete:
            self._forget_deadline()
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0

    def pause_writing(self) -> None:
        """The client must go on reading before long."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """It does."""
        self._forget_deadline()
        super().resume_writing()

    def shutdown(self) -> None:
        """Lets a request that runs, or comes within the linger time, be the connection's last."""
        self._stopping = True
        if self._idle():
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP."""
        self._end_with(BAD_REQUEST)

    def _close_if_idle(self) -> None:
        if self._idle():
            self.transport.close()

    def _idle(self) -> bool:
        return self._at_work is None or self._at_work.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._at_work = cycle
        super()._start_asgi_task(cycle, app)

    def _expect_progress(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(self.settings.api_gateway_client_seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_with(self, kind: Kind) -> None:
        """Reads no more, and says why after the answers to the whole requests that came before."""
        self._ended = True
        if not self.flow.write_paused:
            self._forget_deadline()
        if not self._idle() and self.cycle.more_body and not self.cycle.response_started:
            self._give_up(self.cycle)
        if self._idle():
            self._say(kind)
        else:
            self._last_words = kind

    def _give_up(self, cycle: RequestResponseCycle) -> None:
        """Of a request whose body goes wrong: nobody answers it any more."""
        if cycle is not self._at_work:
            self.pipeline.popleft()  # the newest
            return
        cycle.disconnected = True
        cycle.message_event.set()
        self._at_work = None

    def _say(self, kind: Kind) -> None:
        body = problem_body(kind)
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(body)),
            "connection": "close",
            REQUEST_ID: str(uuid4()),
            **SECURITY_HEADERS,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {kind.status} {kind.title}\r\n{lines}\r\n".encode() + body)
        self.transport.write_eof()
        self._expect_progress()


def bounded_by(settings: GatewaySettings) -> type[BoundedProtocol]:
    """The protocol class of a server with these settings."""
    return type("GatewayProtocol", (BoundedProtocol,), {"settings": settings})
