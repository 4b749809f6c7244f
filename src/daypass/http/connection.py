"""One connection: uvicorn's, but with bounds on the size of a request's head and on the time that a request may take.

Owns both bounds. Without them anybody could fill the memory with a header that never ends, or hold connections open
for ever by sending requests that never become whole. How much of a body is read is body.py's rule.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Bytes of request line and headers. The longest session token and the longest query together are a third of it.
LARGEST_HEAD = 131_072
_TOO_LARGE = "The head of the request is too large."


class Connection(HttpToolsProtocol):
    """Closes itself when a head is too large, and when a request is not there in full after `patience` seconds."""

    patience = 60.0

    _whole = False
    _in_head = True
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.patience, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and see that an unfinished request stays within its bounds."""
        super().data_received(data)
        if self._whole:
            return
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.patience, self._give_up)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
                self._refuse()

    def on_message_begin(self) -> None:
        """Count from here. What came before in the same piece of data is another request's."""
        super().on_message_begin()
        self._whole, self._in_head, self._head_bytes = False, True, 0

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting."""
        self._whole = True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _refuse(self) -> None:
        before: RequestResponseCycle | None = self.cycle
        if before is None or before.response_complete:
            self.send_400_response(_TOO_LARGE)
        else:
            self.transport.close()  # An answer to the request before is on its way; two must not be mixed.

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
