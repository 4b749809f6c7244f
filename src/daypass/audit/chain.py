"""The hash chain: each line has the digest of the line before it.

Owns the member `chain` of a line and its meaning. Leaves writing to sinks.py, and the check to chain_check.py. Pure.

- Each process that writes a log has a chain of its own, with a random id. Several workers share a file, so the lines of
  several chains alternate in it.
- The lines of a chain are numbered from 1. `previous` is the SHA-256 digest of the line before it in the chain, without
  the line end.
- The first line of a chain has the digest of the last line in the file at that time, which another process has written.
  It is NO_LINE if the log was empty, or cannot be read.
- The state moves on with the lines that were written. A line that is written again later has the same number.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

NO_LINE: Final = "0" * 64
"""The digest in front of the first line of a log."""

ROOM: Final = 160
"""The most bytes that the member takes in a line."""

_MEMBER = re.compile(
    rb',"chain":\{"id":"([0-9a-f]{16})","sequence":([1-9][0-9]{0,17}),"previous":"([0-9a-f]{64})"\}\}\Z'
)


class Chain:
    """The chain of one process. Only the thread that writes uses it."""

    def __init__(self, identifier: bytes) -> None:
        self._head = b',"chain":{"id":"' + identifier.hex().encode() + b'","sequence":'
        self._linked: list[tuple[int, str]] = []
        self._state = (0, NO_LINE)

    @property
    def has_begun(self) -> bool:
        """Return whether a line was written."""
        return self._state[0] > 0

    def begin_after(self, last_line: bytes) -> None:
        """Let the chain begin behind a line of another process, or behind none."""
        self._state = (0, digest_of(last_line) if last_line else NO_LINE)

    def link(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return the lines with their members. The state stays where it is."""
        (sequence, previous), head, linked, found = self._state, self._head, [], []
        for line in lines:
            sequence += 1
            whole = b'%s%s%d,"previous":"%s"}}' % (line[:-2], head, sequence, previous.encode())
            previous = hashlib.sha256(whole).hexdigest()
            found.append(whole + b"\n")
            linked.append((sequence, previous))
        self._linked = linked
        return found

    def advance(self, count: int) -> None:
        """Continue behind the first `count` lines of the last `link`."""
        if count:
            self._state = self._linked[count - 1]


def digest_of(line: bytes) -> str:
    """Return the digest of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def find_member(line: bytes) -> tuple[str, int, str] | None:
    """Return id, number and previous digest of a line, or None."""
    found = _MEMBER.search(line, max(0, len(line) - ROOM))
    return None if found is None else (found[1].decode(), int(found[2]), found[3].decode())
