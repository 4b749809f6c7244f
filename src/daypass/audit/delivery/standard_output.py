"""The sink `stdout`: one line for each event on standard output.

Owns the position in a batch after a stalled reader. audit/targets.py owns the writing in pieces that a pipe accepts.
"""

import sys
from collections.abc import Sequence

from daypass.audit.delivery.destination import DeliveryError, Format
from daypass.audit.targets import Stream


class StandardOutputSink:
    """Writes to standard output."""

    def __init__(self, change: Format) -> None:
        self._change = change
        self._stream = Stream(sys.stdout.buffer)
        self._begun: tuple[bytes, int] = (b"", 0)  # the last line of the batch, and the number of written lines

    def send(self, lines: Sequence[bytes]) -> None:
        """Write the lines.

        After an error, the next call continues behind the written ones.
        """
        last, done = self._begun
        left = lines[done:] if last == lines[-1] else lines
        written, problem = self._stream.write([self._change(line) + b"\n" for line in left])
        self._begun = (b"", 0)
        if problem is not None:
            self._begun = (lines[-1], len(lines) - len(left) + written)
            raise DeliveryError(problem.strerror or str(problem)) from problem

    def close(self) -> None:
        """Leave the stream open: other code may write to it."""
