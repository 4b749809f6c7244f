"""The last use of keys and roles.

Owns the notes of one process. A note costs one dictionary access and never waits; `flush`, in its own thread, writes
the due ones in one transaction, at most once a minute for each key or role. A crash loses at most one minute of notes.
Source: IAM User Guide, "Get last accessed information"; AWS too is minutes late.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daypass.directory import records
from daypass.directory.entities.iam_entities import LastUse
from daypass.directory.store import Reader, Store, Writer

EVERY = timedelta(minutes=1)
_MOST = 100_000


@dataclass(slots=True)
class LastUses:
    """Collect uses until they are written."""

    _noted: dict[str, datetime] = field(default_factory=dict)
    _pending: dict[str, LastUse] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self, unique_id: str, at: datetime) -> bool:
        """Return whether the last noted use is missing or a minute old."""
        before = self._noted.get(unique_id)
        return before is None or at - before >= EVERY

    def note(self, use: LastUse) -> None:
        """Note a use, unless the last noted use is less than a minute older."""
        if not self.is_due(use.id, use.at):
            return
        with self._lock:
            if len(self._noted) >= _MOST:
                self._noted.clear()
            self._noted[use.id] = use.at
            if len(self._pending) < _MOST or use.id in self._pending:
                self._pending[use.id] = use

    def flush(self, store: Store) -> None:
        """Write the notes since the last flush.

        A failed write is not repeated: the next use is noted again.
        """
        with self._lock:
            due, self._pending = self._pending, {}
        if not due:
            return
        with store.write() as writer:
            for use in due.values():
                _keep(writer, use)


def find_last_use(reader: Reader, account: str, unique_id: str) -> LastUse | None:
    """Return the last use of a key or role, or None if it was never used."""
    return records.find(reader, LastUse, account, unique_id)


def forget_last_use(writer: Writer, account: str, unique_id: str) -> None:
    """Delete the last use of a key or role that is being deleted."""
    records.delete_if_present(writer, LastUse, account, unique_id)


def _keep(writer: Writer, use: LastUse) -> None:
    if writer.find_by_id(use.id) is None:
        return  # The key or role was deleted in between.
    known = find_last_use(writer, use.account, use.id)
    if known is None:
        records.insert(writer, use)
    elif known.at < use.at:
        records.replace(writer, use)
