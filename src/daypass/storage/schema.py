"""The tables' version: look at it, bring it up to date, refuse what we do not know.

Owns the order of versions. The steps themselves are Alembic's, in migrations/versions/. Alembic takes longer
to import than a server may take to start, so an up-to-date store is recognised by one plain question.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from daypass.storage.refusals import StoreRefused, StoreTooNew

VERSION_TABLE = "daypass_schema"  # not Alembic's default, so that a database shared with others stays apart
VERSIONS = ("0001",)  # oldest first
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_OF_MIGRATIONS = 0x64617970617373  # "daypass": any number will do, as long as it is always the same


def is_current(engine: Engine) -> bool:
    """Tell whether the tables are the newest we know. Raise StoreTooNew when they are newer still."""
    with engine.connect() as connection:
        return _version(connection) == VERSIONS[-1]


def migrate(engine: Engine) -> None:
    """Bring the tables up to date in one transaction. Of two processes at once, one finds it done."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK_OF_MIGRATIONS})
        if _version(connection) != VERSIONS[-1]:
            _upgrade(connection)


def _version(connection: Connection) -> str | None:
    """Return the version of the tables; None when there are none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()  # noqa: S608 - a constant
    if len(found) != 1:
        raise StoreRefused(f"the store is damaged: its table {VERSION_TABLE} should have one row")
    if found[0] not in VERSIONS:
        raise StoreTooNew(
            f"the store's tables are of version {found[0]}, made by a later Daypass; "
            f"this one knows version {VERSIONS[-1]}"
        )
    return str(found[0])


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
