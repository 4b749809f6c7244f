"""The URLs of `--store`. Pure.

They are sqlite:///PATH, postgresql://USER:PASS@HOST/DB, or memory:.
"""

from dataclasses import dataclass
from pathlib import Path

from daypass.storage.postgresql_address import PostgresqlAddress, is_postgresql, parse_postgresql
from daypass.storage.refusals import StoreOpenError

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """A store that exists only as long as its process."""


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A SQLite database file.

    Its change counter and generated master key are beside it.
    """

    path: Path


Address = MemoryAddress | SqliteAddress | PostgresqlAddress


def parse_address(text: str) -> Address:
    """Parse the URL of a store. Raises StoreOpenError.

    The message never contains the password.
    """
    if text == "memory:":
        return MemoryAddress()
    if text.startswith("sqlite:"):
        return SqliteAddress(_sqlite_path(text))
    if is_postgresql(text):
        return parse_postgresql(text)
    raise StoreOpenError("the store must be sqlite:///PATH, postgresql://USER:PASSWORD@HOST/DATABASE or memory:")


def parse_replica(text: str) -> PostgresqlAddress:
    """Parse the URL of a replica of the store. Raises StoreOpenError."""
    if not is_postgresql(text):
        raise StoreOpenError("read_store must be postgresql://USER:PASSWORD@HOST/DATABASE")
    return parse_postgresql(text, is_replica=True)


def _sqlite_path(text: str) -> Path:
    path = text.removeprefix(_SQLITE)
    if path == text or not path or path == ":memory:" or "\0" in path:
        raise StoreOpenError("a SQLite store needs a file: sqlite:///relative/path or sqlite:////absolute/path")
    return Path(path)
