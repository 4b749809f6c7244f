"""Names for requests, which answers, logs and audit events share."""

import os


class RequestIds:
    """Makes request ids in the shape of a UUID: random for each process, then counted. They prove nothing."""

    def __init__(self) -> None:
        text = os.urandom(16).hex()
        self._first = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-"
        self._count = int(text[20:], 16) >> 1

    def __call__(self) -> str:
        """Return the next one."""
        self._count += 1
        return f"{self._first}{self._count:012x}"
