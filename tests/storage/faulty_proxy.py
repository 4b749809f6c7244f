"""A TCP proxy between a node and its database, with the faults of networks.

It accepts and acknowledges everything, so that the kernel's own timeouts never fire.
"""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import make_url
from tests.sockets import free_port


class FaultyProxy:
    """Forwards connections until `is_silent` is set: then it swallows every byte.

    `turns` counts how often the client sent something after an answer: the round trips. `swallowed` counts the lost
    messages.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.is_silent = False
        self.turns = 0
        self.swallowed = 0
        self.port = free_port()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._speakers: dict[socket.socket, bool] = {}  # whether the server spoke last, for each client
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close every connection."""
        self._wake.close()
        self._thread.join(10)
        for each in (self._listener, self._woken, *self._pairs):
            each.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._woken, *self._pairs], [], [])
            for each in ready:
                if each is self._woken:
                    return
                if each is self._listener:
                    self._accept()
                elif each in self._pairs:
                    self._forward(each)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self._pairs |= {client: server, server: client}
        self._clients.add(client)

    def _forward(self, source: socket.socket) -> None:
        other = self._pairs[source]
        try:
            data = source.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._end(source, other)
            return
        if self.is_silent:
            self.swallowed += 1
            return
        is_client = source in self._clients
        client = source if is_client else other
        self.turns += is_client and self._speakers.get(client, True)
        self._speakers[client] = not is_client
        with suppress(OSError):
            other.sendall(data)

    def _end(self, *pair: socket.socket) -> None:
        for each in pair:
            self._pairs.pop(each, None)
            self._clients.discard(each)
            each.close()


@contextmanager
def faulty_proxy(url: str) -> Iterator[tuple[FaultyProxy, str]]:
    """Yield a proxy in front of a database, and the database's URL through it."""
    direct = make_url(url)
    proxy = FaultyProxy((str(direct.host), direct.port or 5432))
    try:
        yield proxy, direct.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    finally:
        proxy.close()
