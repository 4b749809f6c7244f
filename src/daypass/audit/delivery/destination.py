"""The protocol of a destination, which the sinks of all types implement.

Owns the error that says why a batch was not accepted.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

Format = Callable[[bytes], bytes]
"""Changes a line of the audit log, without its end, into the form of a sink."""


class DeliveryError(Exception):
    """A batch was not accepted.

    The message says why, and never contains a secret or the body of an answer. `retry_after` is the number of seconds
    for which the receiver wants a pause. `is_too_large` says that a smaller batch may be accepted.
    """

    def __init__(self, reason: str, *, retry_after: int = 0, is_too_large: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_too_large = is_too_large


class Destination(Protocol):
    """Sends batches of lines. Only one thread uses it at a time."""

    def send(self, lines: Sequence[bytes]) -> None:
        """Return when the receiver has accepted all lines, each without its end.

        Raises DeliveryError. All lines are then sent again later.
        """
        ...

    def close(self) -> None:
        """Close the connection, if one is open."""
        ...
