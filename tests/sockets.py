"""Connections to a server, and free ports."""

import random
import socket
from contextlib import suppress

_PORTS = (20_000, 32_000)


def connect(url: str, source: str = "127.0.0.1", *, timeout: float = 30) -> socket.socket:
    """Connect to a server from an address of this machine."""
    host, _, port = url.partition("://")[2].partition(":")
    return socket.create_connection((host, int(port)), timeout=timeout, source_address=(source, 0))


def free_port() -> int:
    """Return a loopback port that is free now.

    It is below the system's range for outgoing connections, so no connection takes it before the server does, and two
    processes of the suite rarely choose the same one.
    """
    while True:
        port = random.randrange(*_PORTS)  # noqa: S311 - not a secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
