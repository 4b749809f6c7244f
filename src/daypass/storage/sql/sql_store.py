"""The store in a database: SQLite or PostgreSQL, one implementation.

Owns the order of a write: lock, change, log, commit, change counter. Leaves the differences between databases to
engines.py and snapshots.py, the statements to the readers and sql_writer.py, and driver errors to transactions.py.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Engine

from daypass.directory.changes import NOWHERE, Announced, Changes, Position
from daypass.directory.recorded_uses import RecordedUse
from daypass.directory.store import ReadLimits, Snapshot
from daypass.ports import Clock
from daypass.storage.change_counter import ChangeCounter
from daypass.storage.history import changes_after, decode_changes
from daypass.storage.schema import VERSIONS
from daypass.storage.schema_watch import SchemaWatch
from daypass.storage.sql.engines import LOCK_WAIT_SECONDS, Engines
from daypass.storage.sql.replay_guard import claim
from daypass.storage.sql.restored_backups import RestoredBackups
from daypass.storage.sql.snapshots import SnapshotReader, Snapshots
from daypass.storage.sql.sql_writer import SqlWriter
from daypass.storage.sql.sqlite_writer import SqliteWriter, SqliteWriters
from daypass.storage.sql.transactions import repeat_conflicts, transaction
from daypass.storage.sql.turns import Turns
from daypass.storage.sql.use_records import purge, record_on_postgresql, record_on_sqlite
from daypass.storage.store_times import COMMIT, READ, WRITE, StoreTimes

if TYPE_CHECKING:
    from daypass.storage.sql.replica_reads import ReplicaReads


class SqlStore:
    """A store in the existing tables of a database."""

    def __init__(
        self,
        engines: Engines,
        snapshots: Snapshots,
        change_counter: ChangeCounter,
        clock: Clock,
        replica: Engine | None = None,
    ) -> None:
        self._engines = engines
        self.outages = engines.outages
        self.times = StoreTimes()
        self.schema = SchemaWatch(VERSIONS)
        self._restored = RestoredBackups(engines.writing)
        self._snapshots = snapshots
        self._change_counter = change_counter
        self._clock = clock
        self._turns = Turns(LOCK_WAIT_SECONDS)
        files = engines.files if engines.has_one_writer else None
        self._sqlite_writers = None if files is None else SqliteWriters(engines.writing, files, clock)
        self.replica = None if replica is None else self._read_from(replica)

    def _read_from(self, replica: Engine) -> "ReplicaReads":
        from daypass.storage.sql.replica_reads import ReplicaReads  # with psycopg, which is slow to import

        return ReplicaReads(replica, self._change_counter.value)

    @property
    def change_counter(self) -> Sequence[int]:
        return self._change_counter.value

    def announced(self, seen: int) -> Announced | None:
        counter = self._change_counter.value[0]
        entries = self._change_counter.announced(seen, counter)
        if entries is None:
            return None
        try:
            changes = [change for entry in entries for change in decode_changes(entry.changes)]
        except msgspec.DecodeError:  # of another version of Daypass
            return None
        return Announced(counter, max(entry.number for entry in entries), frozenset(changes))

    @contextmanager
    def read(self) -> Iterator[SnapshotReader]:
        began = time.monotonic()
        try:
            with ExitStack() as stack:
                reader: SnapshotReader | None = None if self.replica is None else self.replica.find(stack)
                if reader is None:
                    reader = stack.enter_context(self._snapshots.open())
                    reader.position()  # a snapshot begins with its first query, thus at this point
                yield reader
        finally:
            self.times.ended(READ, began)

    def read_at_once(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        return self._snapshots.open_at_once(limits)

    @contextmanager
    def write(self, *, account: str | None = None) -> Iterator[SqlWriter | SqliteWriter]:
        self.schema.require_known()
        is_committing = is_committed = False
        began = committing = time.monotonic()
        # One queue for all on SQLite: a queue for each account would only wait in the database, out of order.
        turn = None if self._engines.has_one_writer else account
        try:
            with self._turns.take(turn), self._open_writer(account) as writer:
                yield writer
                is_committing = writer.has_changes
                if is_committing:
                    committing = time.monotonic()
                    written = writer.finish()
            is_committed = is_committing
        finally:
            # After the commit and before the return, also if the commit's result is unknown. A write that did not reach
            # its commit must not announce changes.
            if is_committed:
                self._change_counter.announce(*written)
            elif is_committing:
                self._change_counter.bump()
            if is_committing:
                self.times.ended(COMMIT, committing)
            self.times.ended(WRITE, began)

    def _open_writer(self, account: str | None) -> AbstractContextManager[SqlWriter | SqliteWriter]:
        if self._sqlite_writers is not None:
            return self._sqlite_writers.open(account)
        # psycopg is slow to import, and a server on SQLite needs none of it.
        from daypass.storage.sql.postgresql_writers import postgresql_writer

        return postgresql_writer(self._engines, self._clock, account)

    def claim(self, key: str, *, until: datetime) -> bool:
        self.schema.require_known()
        return repeat_conflicts(lambda: self._claim(key, until))

    def _claim(self, key: str, until: datetime) -> bool:
        turn = self._turns.take(None) if self._engines.has_one_writer else nullcontext()
        with turn, transaction(self._engines.writing) as connection:
            return claim(connection, key, now=self._clock.now(), until=until)

    def record_uses(self, uses: Sequence[RecordedUse]) -> None:
        self.schema.require_known()
        if self._engines.has_one_writer:
            with self._turns.take(None):
                record_on_sqlite(self._engines.writing, uses)
        else:
            with transaction(self._engines.writing) as connection:
                record_on_postgresql(connection, uses)

    def purge_uses(self, after: str) -> str:
        self.schema.require_known()
        turn = self._turns.take(None) if self._engines.has_one_writer else nullcontext()
        with turn, transaction(self._engines.writing) as connection:
            return purge(connection, after)

    def revision(self) -> int:
        with self._snapshots.open() as reader:
            return reader.revision()

    def position(self) -> Position:
        return self._restored.repeat(self._find_position)

    def _find_position(self) -> Position:
        with self._snapshots.open() as reader:
            return reader.position()

    def changes_since(self, position: Position) -> Changes | None:
        if position == NOWHERE:
            return None
        return self._restored.repeat(lambda: self._changes_since(position))

    def _changes_since(self, position: Position) -> Changes | None:
        counter, asked_at = self._change_counter.value[0], time.monotonic()
        with self.outages.watch(), self._snapshots.poll() as reader:
            log = reader.logged_from(position.number)
            if self.schema.is_due:
                self.schema.note(reader.schema_version())
        changes = changes_after(position, log)
        if changes is None and self._sqlite_writers is not None:
            # A writer's connection may have pages of the other history in its memory.
            self._sqlite_writers.forget()
            self._engines.writing.dispose()
        if self.replica is not None:
            self.replica.see(None if changes is None else changes.position, counter, asked_at)
        return changes

    def close(self) -> None:
        if self.replica is not None:
            self.replica.close()
        self._snapshots.close()
        if self._sqlite_writers is not None:
            self._sqlite_writers.forget()
        self._engines.dispose()
