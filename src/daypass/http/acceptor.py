"""Accept connections within the limits, before they cost anything.

uvicorn learns the peer only after a TLS handshake, and would keep a descriptor for each silent peer. Here a connection
gets a slot or is closed at once.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from daypass.http.connection_limits import ConnectionLimits, ConnectionSlot

_AT_ONCE = 16  # connections per turn, before other work continues
_PAUSE = 0.05  # seconds until the next attempt, if the system has no descriptors or memory left


class AcceptedConnection(Protocol):
    """A protocol of asyncio that releases its slot at the end."""

    place: ConnectionSlot | None


class Acceptor:
    """Accepts connections for `make`, from `start` until `close`.

    `tls` is None for plain HTTP.
    """

    handshake_patience = 10.0  # seconds for a TLS handshake

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], AcceptedConnection],
        limits: ConnectionLimits,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listener = listener
        self._make = make
        self._limits = limits
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._pausing: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start accepting."""
        self._listener.settimeout(0)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    @property
    def is_opening(self) -> bool:
        """Whether a handshake is pending."""
        return bool(self._opening)

    def stop(self) -> None:
        """Accept the connections that wait, and no further ones.

        Pending handshakes go on.
        """
        if self._listener.fileno() < 0:
            return
        while self._accept():
            pass
        self._stop_accepting()

    def close(self) -> None:
        """Stop accepting, and abandon the handshakes that are not complete."""
        self._stop_accepting()
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until every pending handshake has ended."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _stop_accepting(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> bool:
        """Accept some connections. Return whether more may wait."""
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except ConnectionError:
                continue  # The client has closed it already.
            except OSError:
                # No descriptors or memory: the client waits in the backlog. Pause, so that the event loop does not
                # spin.
                self._loop.remove_reader(self._listener.fileno())
                self._pausing = self._loop.call_later(_PAUSE, self.start)
                return False
            place = self._limits.enter(address[0])
            if place is None:
                accepted.close()
                continue
            task = self._loop.create_task(self._open(accepted, place))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, accepted: socket.socket, place: ConnectionSlot) -> None:
        connection = self._make()
        connection.place = place  # released when the connection is lost
        accepted.settimeout(0)
        patience = self.handshake_patience if self._tls else None
        is_open = False
        try:
            await self._loop.connect_accepted_socket(
                lambda: cast("asyncio.BaseProtocol", connection),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=patience,
            )
            is_open = True
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # A failed handshake (ssl.SSLError is an OSError) is the client's problem.
        finally:
            if not is_open:
                place.leave()
