"""The last uses of keys and roles, outside of the store's history.

Owns their statements. Millions of uses a day must not take the lock of writers, make revisions or invalidate what
caches keep, so they have a table of their own, and one statement writes a batch:

- Of two uses of one record the newer one stays, in whatever order nodes write them.
- A batch is written in the order of its ids, so that two nodes never wait for each other in a circle.
- A use of a record that was deleted is ignored. On PostgreSQL a deletion at the same moment can leave one behind;
  `purge` deletes it later. It is never shown: ids are not used again.
- A batch need not survive a power failure, so its commit does not wait for the disk.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Connection, Engine, delete, exists, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection

from daypass.directory.recorded_uses import MOST_USES, RecordedUse
from daypass.storage.sql import tables
from daypass.storage.sql.transactions import take_connection, unavailable

_PURGED_AT_ONCE = 200
_SEPARATOR = "\x1f"

_NEWER = """ON CONFLICT (unique_id) DO UPDATE
SET account = excluded.account, at = excluded.at, region = excluded.region, service = excluded.service
WHERE last_uses.at < excluded.at"""
_SQLITE = f"""INSERT INTO last_uses (unique_id, account, at, region, service)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM records WHERE unique_id = ?1) {_NEWER}"""  # noqa: S608 - constants
_POSTGRESQL = text(f"""INSERT INTO last_uses (unique_id, account, at, region, service)
SELECT used.* FROM unnest(
    string_to_array(:ids, chr(31)), string_to_array(:accounts, chr(31)),
    CAST(string_to_array(:times, chr(31)) AS bigint[]),
    string_to_array(:regions, chr(31)), string_to_array(:services, chr(31))
) AS used (unique_id, account, at, region, service)
WHERE EXISTS (SELECT 1 FROM records WHERE records.unique_id = used.unique_id)
ORDER BY used.unique_id COLLATE "C" {_NEWER}""")  # noqa: S608 - constants

_columns = tables.last_uses.c
_HAS_RECORD = exists().where(tables.records.c.unique_id == _columns.unique_id)


def record_on_sqlite(engine: Engine, uses: Sequence[RecordedUse]) -> None:
    """Record a batch in one short transaction."""
    pooled = take_connection(engine)
    try:
        driver = cast("DBAPIConnection", pooled.driver_connection)
        driver.execute("PRAGMA synchronous = NORMAL")
        driver.execute("BEGIN IMMEDIATE")
        driver.executemany(_SQLITE, sorted(uses[:MOST_USES]))
        driver.execute("COMMIT")
        driver.execute("PRAGMA synchronous = FULL")
    except BaseException as error:
        pooled.invalidate()  # another writer must not get a connection whose commits are not durable
        if isinstance(error, Exception):
            raise unavailable(error) from error
        raise
    finally:
        pooled.close()


def record_on_postgresql(connection: Connection, uses: Sequence[RecordedUse]) -> None:
    """Record a batch in the transaction of a connection."""
    connection.execute(text("SET LOCAL synchronous_commit = off"))
    # A column is one string: five arrays of the driver take twice the time.
    columns = zip(*(map(str, use) for use in uses[:MOST_USES]), strict=True)
    joined = map(_SEPARATOR.join, columns)
    connection.execute(_POSTGRESQL, dict(zip(("ids", "accounts", "times", "regions", "services"), joined, strict=True)))


def purge(connection: Connection, after: str) -> str:
    """Delete uses without a record among the next ones after an id.

    Returns the last id that was looked at, or an empty string at the end.
    """
    wanted = select(_columns.unique_id).where(_columns.unique_id > after).order_by(_columns.unique_id)
    looked_at: list[str] = list(connection.execute(wanted.limit(_PURGED_AT_ONCE)).scalars())
    if not looked_at:
        return ""
    connection.execute(delete(tables.last_uses).where(_columns.unique_id.in_(looked_at)).where(~_HAS_RECORD))
    return looked_at[-1]
