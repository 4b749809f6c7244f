"""The version of the tables: read it, migrate, refuse unknown versions.

Owns the order of versions. Leaves the steps to Alembic, in migrations/versions/. Importing Alembic takes longer than a
server may take to start, so one plain query detects an up-to-date store.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from daypass.storage.refusals import StoreOpenError, StoreTooNewError

VERSION_TABLE = "daypass_schema"  # not Alembic's default, so that a shared database stays separate
VERSIONS = ("0001",)  # oldest first
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_OF_MIGRATIONS = 0x64617970617373  # "daypass": an arbitrary number that never changes


def is_current(engine: Engine) -> bool:
    """Return whether the tables have the newest known version.

    Raises StoreTooNewError if their version is newer.
    """
    with engine.connect() as connection:
        return _version(connection) == VERSIONS[-1]


def migrate(engine: Engine) -> None:
    """Migrate the tables in one transaction.

    Of two processes at once, the second finds it done.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK_OF_MIGRATIONS})
        if _version(connection) != VERSIONS[-1]:
            _upgrade(connection)


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
            f"this one supports version {VERSIONS[-1]}. Upgrade Daypass"
        )
    return str(found[0])


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
