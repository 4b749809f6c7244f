"""The URLs of `--store`. Pure.

They are sqlite:///PATH, postgresql://USER:PASS@HOST/DB, or memory:.
"""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from daypass.storage.refusals import StoreOpenError

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """A store that exists only as long as its process."""


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A SQLite database file.

    Its change counter and generated master key are beside it.
    """

    path: Path


@dataclass(frozen=True, slots=True)
class PostgresqlAddress:
    """A PostgreSQL database."""

    url: URL = field(repr=False)  # contains the password

    @property
    def identity(self) -> str:
        """Return a name of the database for all processes of this machine.

        It does not depend on the database's user.
        """
        host = self.url.host or self.url.query.get("host", "")  # the latter is the directory of a socket
        return f"{host}:{self.url.port or 5432}/{self.url.database}"


Address = MemoryAddress | SqliteAddress | PostgresqlAddress


def parse_address(text: str) -> Address:
    """Parse the URL of a store. Raises StoreOpenError.

    The message never contains the password.
    """
    if text == "memory:":
        return MemoryAddress()
    if text.startswith("sqlite:"):
        return SqliteAddress(_sqlite_path(text))
    if text.partition(":")[0] in _POSTGRESQL:
        return PostgresqlAddress(_postgresql_url(text))
    raise StoreOpenError("the store must be sqlite:///PATH, postgresql://USER:PASSWORD@HOST/DATABASE or memory:")


def _sqlite_path(text: str) -> Path:
    path = text.removeprefix(_SQLITE)
    if path == text or not path or path == ":memory:" or "\0" in path:
        raise StoreOpenError("a SQLite store needs a file: sqlite:///relative/path or sqlite:////absolute/path")
    return Path(path)


def _postgresql_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreOpenError("the store's URL is not of the form postgresql://USER:PASSWORD@HOST/DATABASE") from error
    if not url.database:
        raise StoreOpenError("the store's URL does not name a database: postgresql://USER:PASSWORD@HOST/DATABASE")
    return url.set(drivername="postgresql+psycopg")
