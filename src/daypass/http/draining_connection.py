"""A connection of a server that stops without losing a request.

Owns the last requests of a connection. A proxy or an SDK that keeps a connection open may send a request at any time:

- While the server drains, each response says `Connection: close`, so that the client opens its next connection
  elsewhere.
- At the end, a connection with a request that has begun, or whose first request is on its way, is not closed before the
  response. Only idle connections are.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from daypass.http.connection import Connection
from daypass.http.lingering import has_unread_bytes


class StopStage:
    """How far the end of a server is.

    A connection that was accepted before the signal reads it when it is made.
    """

    is_draining = False
    is_stopping = False


class DrainingConnection(Connection):
    """A connection that can be told that the server is about to stop."""

    stage = StopStage()

    patience_for_last_head = 2.0  # seconds for a whole head, after the server has stopped accepting

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start to wait for the first request."""
        super().connection_made(transport)
        if self.stage.is_draining:
            self.drain()
        if self.stage.is_stopping:
            self._is_stopping = True
            self._wait_for_head()

    def drain(self) -> None:
        """Make the next response the last one."""
        self._is_draining, self._call = True, None  # A plain call is answered without a look at `_is_draining`.
        if self._kept is not None:
            self._take_usual_way()
        if self._in_message and not self._in_head:
            self._is_last = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def finish(self) -> None:
        """Answer the request that has begun or is on its way, then close."""
        self._is_stopping = True
        self.drain()
        cycle: RequestResponseCycle | None = self.cycle
        has_cycle = cycle is not None and not cycle.response_complete
        if has_cycle or not (self._has_head() or self._is_new() or has_unread_bytes(self.transport)):
            self.shutdown()
        elif not self._lingering.is_closing():
            self._wait_for_head()

    def _has_head(self) -> bool:
        return self._in_message or self._head_bytes > 0 or bool(self._buffer)

    def _is_new(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None and not self._idle_since  # A plain call has no cycle.

    def _wait_for_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.patience_for_last_head, self._give_up)
