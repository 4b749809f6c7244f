"""Connections to a server, and free ports."""

import socket


def connect(url: str, source: str = "127.0.0.1", *, timeout: float = 30) -> socket.socket:
    """Connect to a server from an address of this machine."""
    host, _, port = url.partition("://")[2].partition(":")
    return socket.create_connection((host, int(port)), timeout=timeout, source_address=(source, 0))


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
