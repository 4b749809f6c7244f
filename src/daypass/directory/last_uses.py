"""The last use of keys and roles.

Owns the notes of one process. A note costs one dictionary access and never waits; `flush`, in its own thread, writes
the due ones in small batches once a minute. A key or role in constant use is due every five minutes, so its last use is
at most six minutes late, as after a crash. AWS too is minutes late (IAM User Guide, "Get last accessed information").
Batches are not writes of the store's history, so they take no lock of writers and leave every cache as it is.

Version 0.1.0 wrote a record for each use. Such records are still read, and deleted with their key or role.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from zlib import crc32

from daypass.directory import records
from daypass.directory.entities.iam_entities import LastUse
from daypass.directory.recorded_uses import MOST_USES, RecordedUse
from daypass.directory.store import Reader, Store, Writer

EVERY = timedelta(minutes=5)
_MOST = 100_000
_BATCH_PAUSE = 0.05  # seconds between two batches, for other writers
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class LastUses:
    """Collect uses until they are written."""

    _due: dict[str, datetime] = field(default_factory=dict)
    _pending: dict[str, LastUse] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _purged_to: str = ""

    def is_due(self, unique_id: str, at: datetime) -> bool:
        """Return whether a use at this time is to be noted."""
        due = self._due.get(unique_id)
        return due is None or at >= due

    def note(self, use: LastUse) -> None:
        """Note a use, unless the last noted use is less than five minutes older.

        The second note of a key or role may come sooner, so that those which were first used together, after the start
        of a server, are not all written in the same minute for ever.
        """
        if not self.is_due(use.id, use.at):
            return
        with self._lock:
            is_known = use.id in self._due
            if len(self._due) >= _MOST and not is_known:
                self._due.clear()
            self._due[use.id] = use.at + (EVERY if is_known else _second_after(use.id))
            if len(self._pending) < _MOST or use.id in self._pending:
                self._pending[use.id] = use

    def flush(self, store: Store, *, pause: Callable[[float], object] = lambda _seconds: None) -> None:
        """Write the notes since the last flush.

        `pause` waits between two batches. A failed batch is not repeated: the next use is noted again.
        """
        with self._lock:
            due, self._pending = self._pending, {}
        # In the order of ids, a batch changes few pages of the database.
        ordered = iter(sorted(map(_to_recorded, due.values())))
        while batch := list(islice(ordered, MOST_USES)):
            store.record_uses(batch)
            pause(_BATCH_PAUSE)
        self._purged_to = store.purge_uses(self._purged_to)


def find_last_use(reader: Reader, account: str, unique_id: str) -> LastUse | None:
    """Return the last use of a key or role, or None if it was never used."""
    recorded = reader.find_use(unique_id)
    old = records.find(reader, LastUse, account, unique_id)
    if recorded is None or recorded.account != account:
        return old
    at = _EPOCH + recorded.at * _MICROSECOND
    if old is not None and old.at >= at:
        return old  # a node of version 0.1.0 was used last
    return LastUse(id=unique_id, account=account, at=at, region=recorded.region, service=recorded.service)


def forget_last_use(writer: Writer, account: str, unique_id: str) -> None:
    """Delete the last use of a key or role that is being deleted."""
    writer.delete_use(unique_id)
    records.delete_if_present(writer, LastUse, account, unique_id)


def _second_after(unique_id: str) -> timedelta:
    """Return the time from the first note to the second one."""
    return EVERY * (1 + crc32(unique_id.encode()) % 300) / 300


def _to_recorded(use: LastUse) -> RecordedUse:
    return RecordedUse(use.id, use.account, (use.at - _EPOCH) // _MICROSECOND, use.region, use.service)
