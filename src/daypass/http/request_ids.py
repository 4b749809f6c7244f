"""Request ids, which responses, logs and audit events share."""

import os


class RequestIds:
    """Creates request ids in the form of a UUID.

    They have a random part for each process, and a counter. They are not secret.
    """

    def __init__(self) -> None:
        text = os.urandom(16).hex()
        self._first = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-"
        self._count = int(text[20:], 16) >> 1

    def __call__(self) -> str:
        """Return the next request id."""
        self._count += 1
        return f"{self._first}{self._count:012x}"
