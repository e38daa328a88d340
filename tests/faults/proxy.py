"""A TCP proxy that can be paused, cut, reset and made slow, as a network can; in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

HOST = "127.0.0.1"
CHUNK = 64 * 1024


class Proxy:
    """Forwards connections to `port` of this host to another port of it."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{port}", daemon=True)
        self._flows = asyncio.Event()
        self._flows.set()
        self._refuses = False
        self._delay = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Listens when this returns."""
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        """Ends all connections, and the thread."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def pause(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def delay(self, seconds: float) -> None:
        """Every chunk takes so much longer."""
        self._delay = seconds

    def reset(self) -> None:
        """All connections break; new ones are welcome."""
        self._do(self._break_all())

    def cut(self) -> None:
        """All connections break, and new ones do at once."""
        self._refuses = True
        self.reset()

    def heal(self) -> None:
        """As if nothing had been."""
        self._refuses, self._delay = False, 0.0
        self._loop.call_soon_threadsafe(self._flows.set)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._on_connection, HOST, self.port)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._flows.set()
        await self._break_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _break_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            onward, back = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, back)
        self._open.update(pair)
        try:
            await asyncio.gather(self._forward(reader, back), self._forward(onward, writer))
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._open.difference_update(pair)
            for end in pair:
                end.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flows.wait()
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
