"""The tables, once for SQLite and PostgreSQL. The migrations make them; a test holds the two together.

Texts compare by code point in both: SQLite's BINARY, PostgreSQL's "C".
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)


def _name() -> Text:
    """Return the type of a text that is compared: byte by byte, whatever the database's language."""
    return Text().with_variant(Text(collation="C"), "postgresql")


metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "ix": "%(table_name)s_%(column_0_N_name)s",
    }
)

records = Table(
    "records",
    metadata,
    Column("kind", _name(), primary_key=True),
    Column("account", _name(), primary_key=True),
    Column("key", _name(), primary_key=True),
    Column("sort", _name(), nullable=False),
    Column("unique_id", _name(), nullable=True, unique=True),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("kind", "account", "sort"),  # also what pages are read from
)

links = Table(
    "links",
    metadata,
    Column("kind", _name(), primary_key=True),
    Column("source", _name(), primary_key=True),
    Column("target", _name(), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Index(None, "kind", "target", "source", unique=True),
)

# How many records of a kind an account has: quotas ask before every insert, also of the hundred thousandth.
counts = Table(
    "counts",
    metadata,
    Column("kind", _name(), primary_key=True),
    Column("account", _name(), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("key", _name(), primary_key=True),
    Column("kept_until", BigInteger, nullable=False, index=True),  # microseconds since 1970
)

# One row. Every writer locks it first, so writers come one after another and no update is lost.
revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

# What each of the latest writes touched. NULL: too much to tell.
changes = Table(
    "changes",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("touched", LargeBinary, nullable=True),
)
