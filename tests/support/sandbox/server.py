"""How the sandbox is served over HTTP: in the foreground, or in a thread for tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from support.sandbox.app import create_app
from support.sandbox.state import Sandbox


def configured(sandbox: Sandbox, *, log_level: str = "warning") -> uvicorn.Config:
    """Return how uvicorn serves a sandbox: the Date header is the sandbox's own."""
    return uvicorn.Config(
        create_app(sandbox),
        log_level=log_level,
        access_log=log_level in ("debug", "trace"),
        date_header=False,
        lifespan="off",
        timeout_keep_alive=75,  # a client that waits out a limit finds its connection open
    )


@contextmanager
def running_sandbox(sandbox: Sandbox, *, port: int = 0) -> Iterator[str]:
    """Serve a sandbox on loopback in a thread and yield its base URL, such as http://…:8400/v1.

    Port 0 takes a free one. The socket listens before this yields, so no request is refused.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    server = uvicorn.Server(configured(sandbox, log_level="critical"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
