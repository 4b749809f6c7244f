"""The position of one sink in a spool, in a small file beside the events.

Owns the file, and the count of events that the sink will not get. A position moves only after the sink has accepted the
events before it. The end of a batch is stored before it is sent, so that a retry after a crash sends the same batch:
a sink that names its objects by their content then replaces an object instead of adding a second one.

The file is replaced by a rename, without fsync: after a loss of power, an older position repeats events.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

SUFFIX = ".cursor"


class MissedEvents(msgspec.Struct, omit_defaults=True):
    """Events that were dropped for one sink.

    `id` is the eventID of the event that reports them, once it exists.
    """

    count: int = 0
    first: str = ""
    last: str = ""
    id: str = ""

    def add(self, count: int, first: str, last: str) -> None:
        """Count more events, with the times of the first and the last one."""
        self.count += count
        self.first = min(filter(None, (self.first, first)), default="")
        self.last = max(self.last, last)


class SinkCursor(msgspec.Struct, omit_defaults=True):
    """A position: a segment, an offset, and the number of events before it.

    `end` is the offset of the end of the batch that is being sent, or 0. `missed` were dropped and are not reported
    yet; the batch reports `reported`. `problem` is the reason of the present outage, for `daypass audit sinks`.
    """

    segment: int = 1
    offset: int = 0
    events: int = 0
    end: int = 0
    problem: str = ""
    missed: MissedEvents = msgspec.field(default_factory=MissedEvents)
    reported: MissedEvents = msgspec.field(default_factory=MissedEvents)

    def skip_to(self, segment: int, events: int, first: str, last: str) -> None:
        """Move to a later segment, and count the skipped events as dropped."""
        self.missed.add(max(events - self.events, 0), first, last)
        self.segment, self.offset, self.events, self.end = segment, 0, 0, 0


_decode = msgspec.json.Decoder(SinkCursor).decode
_encode = msgspec.json.Encoder().encode


def cursor_path(directory: Path, sink: str) -> Path:
    """Return the file of a sink's position."""
    return directory / f"{sink}{SUFFIX}"


def save_cursor(cursor: SinkCursor, path: Path) -> None:
    """Replace the file. Raises OSError; the old file then stays."""
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(_encode(cursor))
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def load_cursor(path: Path) -> SinkCursor:
    """Return a stored position, or the first one if the file is not readable.

    A loss of power can leave an empty file. All events are then repeated.
    """
    try:
        return _decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return SinkCursor()
