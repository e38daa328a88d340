"""Ports of the loopback interface: which are taken, and which are free."""

import random
import socket

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


def free() -> tuple[int, int]:
    """Two ports that nothing listens on; the one after the first is free, too (Kafka takes it)."""
    for port in random.sample(FREE_RANGE, len(FREE_RANGE)):
        if not any(busy(port + step) for step in range(3)):
            return port, port + 2
    raise RuntimeError("no free port left")
