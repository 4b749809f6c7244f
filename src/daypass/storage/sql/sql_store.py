"""The store in a database: SQLite or PostgreSQL, one implementation.

Owns the order of a write: lock, change, log, commit, change counter. Leaves the differences between databases to
engines.py and snapshots.py, the statements to the readers and sql_writer.py, and driver errors to transactions.py.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from sqlalchemy import select

from daypass.directory.store import NOWHERE, Changes, Position, ReadLimits, Snapshot, StoreUnavailableError
from daypass.ports import Clock
from daypass.storage.change_counter import ChangeCounter
from daypass.storage.history import changes_after
from daypass.storage.sql import tables
from daypass.storage.sql.driver_connection import fixed, on_driver
from daypass.storage.sql.engines import LOCK_WAIT_SECONDS, Engines
from daypass.storage.sql.replay_guard import claim
from daypass.storage.sql.snapshots import SnapshotReader, Snapshots
from daypass.storage.sql.sql_writer import SqlWriter
from daypass.storage.sql.transactions import transaction

# This lock serializes writers. SQLite, whose BEGIN IMMEDIATE does so already, omits FOR UPDATE.
_LOCK = fixed(select(tables.revision.c.number).with_for_update())


class SqlStore:
    """A store in the existing tables of a database."""

    def __init__(self, engines: Engines, snapshots: Snapshots, change_counter: ChangeCounter, clock: Clock) -> None:
        self._engines = engines
        self._snapshots = snapshots
        self._change_counter = change_counter
        self._clock = clock
        self._turn = threading.Lock()

    @property
    def change_counter(self) -> Sequence[int]:
        return self._change_counter.value

    @contextmanager
    def read(self) -> Iterator[SnapshotReader]:
        with self._snapshots.open() as reader:
            reader.position()  # a snapshot begins with its first query, thus at this point
            yield reader

    def read_at_once(self, limits: ReadLimits) -> AbstractContextManager[Snapshot]:
        return self._snapshots.open_at_once(limits)

    @contextmanager
    def write(self) -> Iterator[SqlWriter]:
        is_committing = False
        try:
            with self._in_turn(), transaction(self._engines.writing) as opened:
                connection = on_driver(opened)
                number = int(connection.execute(_LOCK).scalar_one())
                writer = SqlWriter(connection, clock=self._clock, revision=number)
                yield writer
                is_committing = writer.finish()
        finally:
            # After the commit and before the return, also if the commit's result is unknown. A write that did not reach
            # its commit must not announce changes.
            if is_committing:
                self._change_counter.bump()

    def claim(self, key: str, *, until: datetime) -> bool:
        turn = self._in_turn() if self._engines.has_one_writer else nullcontext()
        with turn, transaction(self._engines.writing) as connection:
            return claim(connection, key, now=self._clock.now(), until=until)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Queue the writers of this process.

        A database does not serve waiters in order.
        """
        if not self._turn.acquire(timeout=LOCK_WAIT_SECONDS):
            raise StoreUnavailableError("another writer did not finish in time")
        try:
            yield
        finally:
            self._turn.release()

    def revision(self) -> int:
        with self._snapshots.open() as reader:
            return reader.revision()

    def position(self) -> Position:
        with self._snapshots.open() as reader:
            return reader.position()

    def changes_since(self, position: Position) -> Changes | None:
        if position == NOWHERE:
            return None
        with self._snapshots.open() as reader:
            log = reader.logged_from(position.number)
        return changes_after(position, log)

    def close(self) -> None:
        self._snapshots.close()
        self._engines.dispose()
