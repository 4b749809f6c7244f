"""Opening a store: valid URLs, created files, and refusals."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from tests.storage.conftest import HandClock
from tests.storage.postgresql import server_url
from tests.storage.sample_records import user

from daypass.storage import schema
from daypass.storage.address import MemoryAddress, SqliteAddress, parse_address
from daypass.storage.open import open_store
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.refusals import StoreOpenError, StoreTooNewError, StoreUnreachableError
from daypass.storage.sql import tables
from daypass.storage.sql.engines import Engines, postgresql_engines, sqlite_engines


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///daypass.db", "daypass.db"),
        ("sqlite:////var/lib/day pass?.db", "/var/lib/day pass?.db"),
        ("sqlite:///~/x%20.db", "~/x%20.db"),
    ],
)
def test_a_sqlite_path_is_taken_as_it_is(text: str, path: str) -> None:
    """The URL is three slashes and a path, without special characters."""
    assert parse_address(text) == SqliteAddress(Path(path))


@pytest.mark.parametrize(
    "text",
    [
        *("", "daypass.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://x", "sqlite:///:memory:", "sqlite:///a\0b"),
        *(
            "postgresql:",
            "postgresql://",
            "postgresql://host",
            "postgresql://u:s3cret@host:port/db",
            "mysql://u:s3cret@h/d",
        ),
    ],
)
def test_what_is_no_store_is_refused_without_its_password(text: str) -> None:
    """The message says which URLs are valid, and never repeats the given one."""
    with pytest.raises(StoreOpenError, match=r"sqlite:///|postgresql://") as refused:
        parse_address(text)
    assert "s3cret" not in str(refused.value)


def test_an_address_does_not_show_its_password() -> None:
    """It is not in its repr, nor in the name of the change counter."""
    address = parse_address("postgresql://u:s3cret@db.example/daypass?sslmode=require")
    assert isinstance(address, PostgresqlAddress)
    assert "s3cret" not in repr(address)
    assert address.identity == "db.example:5432/daypass"
    assert parse_address("memory:") == MemoryAddress()


def test_a_new_sqlite_store_is_its_owner_s_alone(tmp_path: Path, clock: HandClock) -> None:
    """Missing folders are created; folder and files are closed to others."""
    path = tmp_path / "data" / "deep" / "daypass.db"
    store = open_store(f"sqlite:///{path}", clock=clock)
    with store.write() as writer:
        writer.insert(user("ada"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    store.close()


def test_a_sqlite_connection_keeps_its_promises(sqlite_url: str, clock: HandClock, tmp_path: Path) -> None:
    """Write-ahead log, synchronous in full, foreign keys: durability is not left to defaults."""
    open_store(sqlite_url, clock=clock).close()
    engines = sqlite_engines(tmp_path / "daypass.db")
    with engines.reading.connect() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    engines.dispose()
    assert found == ["wal", 2, 1, 10_000]


def test_a_restored_copy_without_wal_gets_it_back(sqlite_url: str, clock: HandClock, tmp_path: Path) -> None:
    """A database that was vacuumed into another file has lost its journal mode, not its content."""
    store = open_store(sqlite_url, clock=clock)
    with store.write() as writer:
        writer.insert(user("ada"))
    store.close()
    with closing(sqlite3.connect(tmp_path / "daypass.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    copy = open_store(f"sqlite:///{tmp_path}/copy.db", clock=clock)
    with copy.read() as reader:
        assert reader.find_by_id("AIDA111111111111ada") == user("ada")
    copy.close()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_opening_again_finds_everything(database_url: str, clock: HandClock) -> None:
    """A store survives its process, and opening it does not change it."""
    for _ in range(2):
        store = open_store(database_url, clock=clock)
        with store.write() as writer:
            if writer.find_by_id("AIDA111111111111ada") is None:
                writer.insert(user("ada"))
        assert store.revision() == 1
        store.close()


def test_a_current_store_is_opened_without_alembic(sqlite_url: str, clock: HandClock) -> None:
    """A server must start quickly: neither Alembic nor the other database's driver is imported."""
    open_store(sqlite_url, clock=clock).close()
    program = (
        "import sys; from daypass.storage.open import open_store\n"
        f"store = open_store({sqlite_url!r}, clock=None)\n"
        "with store.write() as writer: writer.count('user', '')\n"
        "print([name for name in ('alembic', 'psycopg', 'sqlalchemy.dialects.postgresql') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_a_store_from_the_future_is_refused(database_url: str, clock: HandClock) -> None:
    """Tables of an unknown version stay unchanged."""
    open_store(database_url, clock=clock).close()
    engines = _engines(database_url)
    with engines.writing.begin() as connection:
        connection.exec_driver_sql("UPDATE daypass_schema SET version_num = '9999'")
    engines.dispose()
    with pytest.raises(StoreTooNewError, match="9999"):
        open_store(database_url, clock=clock)


def test_a_store_without_its_version_is_refused(database_url: str, clock: HandClock) -> None:
    """An empty version table is damage, not a new store."""
    open_store(database_url, clock=clock).close()
    engines = _engines(database_url)
    with engines.writing.begin() as connection:
        connection.exec_driver_sql("DELETE FROM daypass_schema")
    engines.dispose()
    with pytest.raises(StoreOpenError, match="damaged"):
        open_store(database_url, clock=clock)


def test_a_migration_that_fails_leaves_nothing(database_url: str, clock: HandClock) -> None:
    """Another application's table is in the way: the error is clear, and no table was added."""
    engines = _engines(database_url)
    with engines.writing.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE claims (id INTEGER)")
    with pytest.raises(StoreOpenError, match="claims"):
        open_store(database_url, clock=clock)
    with engines.writing.begin() as connection:
        assert _tables(connection) == {"claims"}
        connection.exec_driver_sql("DROP TABLE claims")
    engines.dispose()
    open_store(database_url, clock=clock).close()


def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str, clock: HandClock) -> None:
    """Alembic finds no difference between tables.py and the migrated tables."""
    open_store(database_url, clock=clock).close()
    engines = _engines(database_url)
    with engines.reading.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata) == []
    engines.dispose()


def test_the_newest_version_is_the_last_migration() -> None:
    """schema.py's list and Alembic's chain are the same, in the same order."""
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(steps)) == schema.VERSIONS


@pytest.mark.parametrize("content", [b"this is no database at all, just text\n" * 50, b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, clock: HandClock, content: bytes) -> None:
    """The operator mistyped a path: no file is overwritten."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreOpenError, match=r"notes\.txt"):
        open_store(f"sqlite:///{path}", clock=clock)
    assert path.read_bytes() == content


def test_a_path_that_cannot_be_is_refused(tmp_path: Path, clock: HandClock) -> None:
    """The path is a folder, or has a file in the place of a folder."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "daypass.db"):
        with pytest.raises(StoreOpenError, match="cannot open the store"):
            open_store(f"sqlite:///{path}", clock=clock)


def test_a_server_that_is_not_there_is_unreachable(clock: HandClock) -> None:
    """The message comes within seconds, without the password."""
    with pytest.raises(StoreUnreachableError, match="cannot open the PostgreSQL database") as refused:
        open_store("postgresql://u:s3cret@127.0.0.1:1/daypass", clock=clock)
    assert "s3cret" not in str(refused.value)


@pytest.mark.component("postgresql")
def test_a_database_that_does_not_let_us_in_is_unreachable(clock: HandClock) -> None:
    """The server's own message distinguishes a wrong password from a missing database."""
    server = server_url()
    wrong = server.set(password="wrong-password").render_as_string(hide_password=False)
    absent = server.set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(StoreUnreachableError, match=r"password|authentication") as refused:
        open_store(wrong, clock=clock)
    assert "wrong-password" not in str(refused.value)
    with pytest.raises(StoreUnreachableError, match="no_such_database"):
        open_store(absent, clock=clock)


def test_a_role_without_rights_is_refused(postgresql_url: str, clock: HandClock) -> None:
    """The message says that the role may not create tables, here in the system's own schema."""
    url = f"{postgresql_url}?options=-csearch_path%3Dpg_catalog"
    with pytest.raises(StoreOpenError, match="cannot create the tables"):
        open_store(url, clock=clock)


def _engines(url: str) -> Engines:
    address = parse_address(url)
    if isinstance(address, SqliteAddress):
        return sqlite_engines(address.path)
    assert isinstance(address, PostgresqlAddress)
    return postgresql_engines(address)


def _tables(connection: Connection) -> set[str]:
    from sqlalchemy import inspect

    return set(inspect(connection).get_table_names())
