"""The buffer into which all connections of a worker read.

Owns its size and its replacement. A connection reads into the buffer and uses the bytes at once, so that one buffer
serves all connections. If a transport could not send all of it, the transport keeps the buffer, and the next read gets
another one. Thus the memory of a transfer is one buffer at most, and the buffers become smaller while many transfers
run.
"""

_SIZES = ((4, 262_144), (16, 65_536), (48, 32_768), (2**31, 16_384))  # up to how many transfers, bytes


class ReadBuffer:
    """The buffer of one event loop."""

    __slots__ = ("_running", "_step", "view")

    def __init__(self) -> None:
        self._running = 0
        self._step = 0  # the row of _SIZES
        self.view = memoryview(bytearray(_SIZES[0][1]))

    def replace(self) -> None:
        """Leave the buffer to a transport that has not sent it yet."""
        self.view = memoryview(bytearray(_SIZES[self._step][1]))

    def began(self) -> None:
        """Count a transfer that begins."""
        self._running += 1
        if self._running > _SIZES[self._step][0]:
            self._step += 1
            self.replace()

    def ended(self) -> None:
        """Count a transfer that ends."""
        self._running -= 1
        if self._step and self._running <= _SIZES[self._step - 1][0]:
            self._step -= 1
            self.replace()
