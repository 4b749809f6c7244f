"""The empty stores that a backup is restored into.

Owns the promise that a restore has either happened or not. A SQLite database is filled under another name; a PostgreSQL
database is filled in one transaction, under the lock of all writers.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

from daypass.storage.address import Address, SqliteAddress
from daypass.storage.backup.backup_refusals import BackupError, BackupExistsError
from daypass.storage.backup.placed_files import place, require_free, temporary_beside
from daypass.storage.open import bring_up_to_date
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.sql.engines import MIGRATION_SECONDS, allow_seconds, postgresql_engines, sqlite_engines
from daypass.storage.sql.transactions import transaction


def empty_store(address: Address) -> AbstractContextManager[Connection]:
    """Open the transaction that fills an empty store.

    An exception inside leaves the store empty. Call `prepare_target` first. Raises BackupExistsError if the store has
    records, StoreOpenError or StoreUnavailableError.
    """
    if isinstance(address, SqliteAddress):
        return _new_sqlite(address.path)
    if isinstance(address, PostgresqlAddress):
        return _empty_postgresql(address)
    raise BackupError("a store in memory ends with its process: restore into sqlite:///PATH or postgresql://…")


def prepare_target(address: Address) -> None:
    """Make the folder of a SQLite store.

    Raises BackupExistsError if the store exists.
    """
    if isinstance(address, SqliteAddress):
        _require_new(address.path)
        try:
            address.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BackupError(f"cannot make the folder of {address.path}: {error.strerror}") from error


@contextmanager
def _new_sqlite(path: Path) -> Iterator[Connection]:
    _require_new(path)
    with temporary_beside(path) as temporary:
        engines = sqlite_engines(temporary.absolute())
        try:
            bring_up_to_date(engines.writing, name=str(path))
            with transaction(engines.writing) as connection:
                yield connection
        finally:
            engines.dispose()
            temporary.with_name(f"{temporary.name}-journal").unlink(missing_ok=True)
        _make_durable(temporary)
        place(temporary, path)


def _require_new(path: Path) -> None:
    try:
        require_free(path)
    except BackupExistsError as error:
        raise BackupExistsError(
            f"the store {path} exists already, and a restore never changes one: restore under another name, or stop "
            "every server and move the file away with its -wal and -shm"
        ) from error
    for log in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-journal")):
        if log.exists():  # SQLite would write it into the new database
            raise BackupExistsError(f"{log} is the log of an earlier database: move it away first")


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _empty_postgresql(address: PostgresqlAddress) -> Iterator[Connection]:
    engines = postgresql_engines(address)
    try:
        bring_up_to_date(engines.writing, name="the PostgreSQL database")
        with transaction(engines.writing) as connection:
            allow_seconds(connection, MIGRATION_SECONDS)
            for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(text(f"SET LOCAL {limit} = 0"))
            # Every writer takes this lock first, and a store without writes has number 0.
            number = int(connection.execute(text("SELECT number FROM revision FOR UPDATE")).scalar_one())
            if number or connection.execute(text("SELECT 1 FROM records LIMIT 1")).first() is not None:
                name = address.parameters.get("dbname", "")
                raise BackupExistsError(
                    f"the PostgreSQL database {name!r} has a store already (revision {number}), and a restore never "
                    "changes one: create an empty database (`createdb NAME`), and name it in --store"
                )
            yield connection
    finally:
        engines.dispose()
