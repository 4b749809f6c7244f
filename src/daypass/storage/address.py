"""What `--store` may say: sqlite:///PATH, postgresql://USER:PASS@HOST/DB, or memory:. Pure."""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from daypass.storage.refusals import StoreRefused

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """A store that is gone with its process."""


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A SQLite database file. Its beacon and its generated master key lie beside it."""

    path: Path


@dataclass(frozen=True, slots=True)
class PostgresqlAddress:
    """A PostgreSQL database."""

    url: URL = field(repr=False)  # holds the password

    @property
    def identity(self) -> str:
        """Name the database as every process of this machine would, whoever it signs in as."""
        host = self.url.host or self.url.query.get("host", "")  # the latter names a socket's folder
        return f"{host}:{self.url.port or 5432}/{self.url.database}"


Address = MemoryAddress | SqliteAddress | PostgresqlAddress


def parse_address(text: str) -> Address:
    """Return what a store's URL means, or raise StoreRefused. Its password never gets into the message."""
    if text == "memory:":
        return MemoryAddress()
    if text.startswith("sqlite:"):
        return SqliteAddress(_sqlite_path(text))
    if text.partition(":")[0] in _POSTGRESQL:
        return PostgresqlAddress(_postgresql_url(text))
    raise StoreRefused("the store must be sqlite:///PATH, postgresql://USER:PASSWORD@HOST/DATABASE or memory:")


def _sqlite_path(text: str) -> Path:
    path = text.removeprefix(_SQLITE)
    if path == text or not path or path == ":memory:" or "\0" in path:
        raise StoreRefused("a SQLite store needs a file: sqlite:///relative/path or sqlite:////absolute/path")
    return Path(path)


def _postgresql_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreRefused("the store's URL is not of the form postgresql://USER:PASSWORD@HOST/DATABASE") from error
    if not url.database:
        raise StoreRefused("the store's URL names no database: postgresql://USER:PASSWORD@HOST/DATABASE")
    return url.set(drivername="postgresql+psycopg")
