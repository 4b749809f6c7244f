"""The store in a database: SQLite or PostgreSQL, one implementation.

Owns the transactions, the order of a write (lock, change, log, commit, change counter) and the translation of driver
errors. Leaves the differences between databases to engines.py, and the statements to sql_reader.py and sql_writer.py.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daypass.directory.store import Changes, StoreChange, StoreUnavailableError
from daypass.ports import Clock
from daypass.storage.change_counter import ChangeCounter
from daypass.storage.sql import tables
from daypass.storage.sql.engines import LOCK_WAIT_SECONDS, Engines
from daypass.storage.sql.replay_guard import claim
from daypass.storage.sql.sql_reader import SqlReader
from daypass.storage.sql.sql_writer import SqlWriter

_DETAIL_LENGTH = 200
# This lock serializes writers. SQLite, whose BEGIN IMMEDIATE does so already, omits FOR UPDATE.
_LOCK = select(tables.revision.c.number).with_for_update()
_NEWEST = select(tables.revision.c.number)
_LOGGED = select(tables.changes.c.touched)
_log_entry = msgspec.msgpack.Decoder(list[StoreChange])


class SqlStore:
    """A store in the existing tables of a database."""

    def __init__(self, engines: Engines, change_counter: ChangeCounter, clock: Clock) -> None:
        self._engines = engines
        self._change_counter = change_counter
        self._clock = clock
        self._turn = threading.Lock()

    @property
    def change_counter(self) -> Sequence[int]:
        return self._change_counter.value

    @contextmanager
    def read(self) -> Iterator[SqlReader]:
        with _transaction(self._engines.reading) as connection:
            reader = SqlReader(connection)
            reader.revision()  # a snapshot begins with its first query, thus at this point
            yield reader

    @contextmanager
    def write(self) -> Iterator[SqlWriter]:
        is_committing = False
        try:
            with self._in_turn(), _transaction(self._engines.writing) as connection:
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
        with turn, _transaction(self._engines.writing) as connection:
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
        with _transaction(self._engines.reading) as connection:
            return int(connection.execute(_NEWEST).scalar_one())

    def changes_since(self, revision: int) -> Changes | None:
        with _transaction(self._engines.reading) as connection:
            newest = int(connection.execute(_NEWEST).scalar_one())
            if newest == revision:
                return Changes(newest, frozenset())
            logged = connection.execute(_LOGGED.where(tables.changes.c.revision > revision)).scalars().all()
        # Fewer entries than revisions: the log was trimmed, or an older database restored.
        if len(logged) != newest - revision or any(entry is None for entry in logged):
            return None
        return Changes(newest, frozenset(change for entry in logged for change in _log_entry.decode(entry)))

    def close(self) -> None:
        self._engines.dispose()


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction, and commit it unless there was an exception.

    Translates exceptions of the driver, except a violated constraint or an unreadable value, which is our bug.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (IntegrityError, DataError):
        raise
    except DBAPIError as error:
        raise StoreUnavailableError(_detail(error.orig)) from error
    except PoolTimeout as error:
        raise StoreUnavailableError("every connection to the database is in use") from error


def _detail(error: BaseException | None) -> str:
    """Return the error without the statement and its parameters.

    Their values must not be logged.
    """
    first_line, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first_line}"[:_DETAIL_LENGTH]
