"""The queue of the access log is bounded, and a full disk loses lines with a count."""

import json
import time
from collections.abc import Sequence

from daypass.audit.targets import Written
from daypass.http.access_log import MOST_QUEUED, AccessLog


class Disk:
    """A target that is full until it is emptied."""

    def __init__(self) -> None:
        self.is_full = True
        self.lines: list[bytes] = []

    def write(self, lines: Sequence[bytes]) -> Written:
        """Write all lines or none of them."""
        if self.is_full:
            return Written(0, OSError(28, "No space left on device"))
        self.lines += lines
        return Written(len(lines))

    def reopen(self) -> None:
        """Go on."""

    def last_line(self) -> bytes:
        """Return no line: an access log is not chained."""
        return b""

    def close(self) -> None:
        """Go on."""


def test_lines_that_do_not_fit_are_counted() -> None:
    """A line says how many requests have none, and the metrics do."""
    disk = Disk()
    log = AccessLog(disk)
    for _ in range(MOST_QUEUED + 3):
        log.add("GET", "/" + "x" * 1_000, "192.0.2.1", time.monotonic(), (200, "", 0))
    assert list(log.readings()) == [("daypass_access_log_lost_total", (), 3)]
    log.start()
    disk.is_full = False
    log.stop()
    lines = [json.loads(line) for line in disk.lines]
    assert len(lines) == MOST_QUEUED + 1
    assert lines[-1]["lost"] == 3
    assert len(lines[0]["path"]) == 512
