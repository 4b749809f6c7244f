"""The buffer into which all connections of a worker read.

Owns its size and its replacement. A connection reads into the buffer and uses the bytes at once, so that one buffer
serves all connections. If a transport could not send all of it, the transport keeps the buffer, and the next read gets
another one. Thus the memory of a transfer is one buffer at most, and the buffers become smaller while many transfers
run.
"""

_SIZES = ((8, 262_144), (32, 131_072), (64, 65_536))  # up to how many transfers, bytes
_LEAST = 32_768  # bytes


class ReadBuffer:
    """The buffer of one event loop."""

    __slots__ = ("_running", "_size", "view")

    def __init__(self) -> None:
        self._running = 0
        self._size = _SIZES[0][1]
        self.view = memoryview(bytearray(self._size))

    def replace(self) -> None:
        """Leave the buffer to a transport that has not sent it yet."""
        self.view = memoryview(bytearray(self._size))

    def began(self) -> None:
        """Count a transfer that begins."""
        self._running += 1
        self._resize()

    def ended(self) -> None:
        """Count a transfer that ends."""
        self._running -= 1
        self._resize()

    def _resize(self) -> None:
        size = next((size for most, size in _SIZES if self._running <= most), _LEAST)
        if size != self._size:
            self._size = size
            self.replace()
