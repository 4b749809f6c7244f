"""The body of a client's request: where it ends.

Owns the framing of one body. Leaves its content to the plan of the request.
"""

from collections.abc import Sequence

from daypass.verify.head import RequestHead
from daypass.verify.http_chunks import HttpChunkReader


class IncomingBody:
    """Finds the end of a body.

    `rest` are the bytes behind it, after `is_done`. `received` counts the bytes of the content.
    """

    __slots__ = ("_decoder", "_left", "is_done", "received", "rest")

    def __init__(self, head: RequestHead) -> None:
        self._left = head.content_length or 0
        self._decoder = HttpChunkReader() if head.chunked else None
        self.is_done = self._decoder is None and not self._left
        self.received = 0
        self.rest = b""

    def feed(self, data: bytes) -> Sequence[bytes | memoryview]:
        """Return the content in `data`. Raises HttpChunkError."""
        decoder = self._decoder
        if decoder is not None:
            pieces = decoder.feed(data)
            self.received += sum(map(len, pieces))
            if decoder.done:
                self.is_done, self.rest = True, bytes(decoder.rest)
            return pieces
        if len(data) >= self._left:
            data, self.rest = data[: self._left], data[self._left :]
            self.is_done = True
        self._left -= len(data)
        self.received += len(data)
        return (data,)

    def is_within(self, data: bytes) -> bool:
        """Return whether `data` certainly begins with the rest of the body."""
        return self.is_done or (self._decoder is None and self._left <= len(data))

    def skip(self, data: bytes) -> bytes:
        """Return the bytes of `data` behind the body, which must be within it."""
        return data if self.is_done else data[self._left :]
