"""Ports of the loopback interface: which are taken, and which are free."""

import random
import socket
from collections.abc import Container

from local_stack.settings import HOST

FREE_RANGE = range(20_000, 32_000)  # below those that the system gives to clients


def busy(port: int) -> bool:
    """Whether something listens on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def listener_from(port: int, *, without: Container[int] = ()) -> socket.socket:
    """A socket that listens on this port, or on the next one that is free and not in `without`.

    It is taken by the time this returns: of two who look at the same moment, each gets its own.
    """
    for candidate in range(port, 65_535):
        if candidate not in without:
            try:
                return listener(candidate)
            except OSError:
                continue
    raise OSError(f"no port from {port} on is free")


def listener(port: int) -> socket.socket:
    """A socket that listens on this port. Raises OSError when it is taken."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def free() -> tuple[int, int]:
    """Two ports that nothing listens on; the one after the first is free, too (Kafka takes it)."""
    for port in random.sample(FREE_RANGE, len(FREE_RANGE)):
        if not any(busy(port + step) for step in range(3)):
            return port, port + 2
    raise RuntimeError("no free port left")
