"""The version of the tables: read it, migrate, refuse unknown versions.

Owns the order of versions. Leaves the steps to Alembic, in migrations/versions/, and additions to additions.py.
Importing Alembic takes longer than a server may take to start, so plain queries detect an up-to-date store.
"""

import time
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from daypass.storage.additions import apply_additions, missing_additions
from daypass.storage.refusals import StoreOpenError, StoreTooNewError
from daypass.storage.sql.engines import MIGRATION_SECONDS, allow_seconds

VERSION_TABLE = "daypass_schema"  # not Alembic's default, so that a shared database stays separate
VERSIONS = ("0001",)  # oldest first
_MIGRATIONS = Path(__file__).parent / "migrations"
_ATTEMPTS, _ATTEMPT_MILLISECONDS, _PAUSE_SECONDS = 20, 2000, 0.5  # to alter a table that is in use
_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_OF_MIGRATIONS = 0x64617970617373  # "daypass": an arbitrary number that never changes


def is_current(engine: Engine) -> bool:
    """Return whether the tables have the newest version and all additions.

    Raises StoreTooNewError if their version is newer.
    """
    with engine.connect() as connection:
        return _version(connection) == VERSIONS[-1] and not missing_additions(connection)


def migrate(engine: Engine) -> None:
    """Migrate the tables in one transaction.

    Of two processes at once, the second finds it done.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            allow_seconds(connection, MIGRATION_SECONDS)
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK_OF_MIGRATIONS})
        if _version(connection) != VERSIONS[-1]:
            _upgrade(connection)
    _add_missing(engine)


def add_again(engine: Engine) -> None:
    """Apply the additions that a restored backup lacks, in one attempt.

    It does nothing if the tables do not have this version: they may be in the middle of being restored.
    """
    with engine.connect() as connection:
        is_known = _version(connection) == VERSIONS[-1]
    if is_known:
        _add_missing(engine, attempts=1)


def _add_missing(engine: Engine, attempts: int | None = None) -> None:
    """Apply the additions.

    A table that is altered is locked, and all who wait behind the statement wait too. So each attempt is short: a
    backup that reads the table delays the start of this node, not the nodes that run.
    """
    attempts = attempts or _ATTEMPTS
    for attempt in range(attempts):
        try:
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    allow_seconds(connection, MIGRATION_SECONDS)
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                    connection.execute(text(f"SET LOCAL lock_timeout = {_ATTEMPT_MILLISECONDS}"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK_OF_MIGRATIONS})
                apply_additions(connection)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE or attempt == attempts - 1:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _version(connection: Connection) -> str | None:
    """Return the version of the tables, or None if they do not exist."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()  # noqa: S608 - a constant
    if len(found) != 1:
        raise StoreOpenError(f"the store is damaged: its table {VERSION_TABLE} should have one row")
    if found[0] not in VERSIONS:
        raise StoreTooNewError(
            f"the store's tables have version {found[0]} of a later Daypass; "
            f"this one supports version {VERSIONS[-1]}. "
            "Upgrade Daypass: install the version that changed the store, or a later one. To stay with this version, "
            "restore a backup from before the change into an empty store"
        )
    return str(found[0])


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
