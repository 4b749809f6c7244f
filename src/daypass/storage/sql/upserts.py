"""The four INSERT statements with ON CONFLICT.

SQLAlchemy has a class for each database. They are built once for the database in use; the other dialect is never
imported.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Table, bindparam

from daypass.storage.sql import tables
from daypass.storage.sql.driver_connection import fixed


@dataclass(frozen=True, slots=True)
class Upserts:
    """Statements of one database.

    The row count says whether a row was written.
    """

    insert_record: Any
    put_link: Any
    add_to_count: Any
    take_claim: Any


@cache
def upserts_for(dialect: str) -> Upserts:
    """Return the statements in the dialect of a database."""
    records, links = _insert(dialect, tables.records), _insert(dialect, tables.links)
    counts, claims = _insert(dialect, tables.counts), _insert(dialect, tables.claims)
    return Upserts(
        insert_record=fixed(records.on_conflict_do_nothing().execution_options(preserve_rowcount=True)),
        put_link=fixed(
            links.on_conflict_do_update(index_elements=["kind", "source", "target"], set_={"body": links.excluded.body})
        ),
        add_to_count=fixed(
            counts.on_conflict_do_update(
                index_elements=["kind", "account"],
                set_={"number": tables.counts.c.number + counts.excluded.number},
            )
        ),
        take_claim=fixed(
            claims.on_conflict_do_update(
                index_elements=["key"],
                set_={"kept_until": claims.excluded.kept_until},
                where=tables.claims.c.kept_until < bindparam("now"),
            ).execution_options(preserve_rowcount=True)
        ),
    )


def _insert(dialect: str, table: Table) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
