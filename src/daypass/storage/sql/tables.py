"""The tables, once for SQLite and PostgreSQL.

The migrations create them; a test compares the two. Strings compare by code point in both: SQLite's BINARY,
PostgreSQL's "C".
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
)


def _name() -> Text:
    """Return the type of a compared string.

    It compares byte by byte in every language of the database.
    """
    return Text().with_variant(Text(collation="C"), "postgresql")


def named(table: FromClause, *columns: str, prefix: str = "") -> ColumnElement[bool]:
    """Return the condition that columns equal the parameters of their names.

    The names of the parameters begin with `prefix`.
    """
    return and_(*(table.c[name] == bindparam(prefix + name) for name in columns))


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
    UniqueConstraint("kind", "account", "sort"),  # pages are read from this index too
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

# Numbers of records by kind and account, which quotas read before every insert.
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

# One row, which every writer locks first: writers are serialized and updates are not lost.
revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

# The last use of keys and roles, outside of the revision and the log. storage/additions.py adds it.
last_uses = Table(
    "last_uses",
    metadata,
    Column("unique_id", _name(), primary_key=True),
    Column("account", _name(), nullable=False),
    Column("at", BigInteger, nullable=False),  # microseconds since 1970
    Column("region", Text, nullable=False),
    Column("service", Text, nullable=False),
)

# The changes of the latest writes. NULL: too many to log. The nonce tells two histories apart whose numbers are equal.
# storage/additions.py adds it: writers of version 0.1.0 do not know it, and the database fills it for them.
changes = Table(
    "changes",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("touched", LargeBinary, nullable=True),
    Column("nonce", LargeBinary, nullable=True),
)
