"""The replay guard in SQL: one statement that claims a key or fails.

The primary key makes it atomic: of two processes, one inserts, and the other waits and finds the row.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select

from daypass.storage.sql import tables
from daypass.storage.sql.upserts import upserts_for
from daypass.storage.storable_text import require_storable

_PURGED_PER_CLAIM = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DUE = (
    select(tables.claims.c.key)
    .where(tables.claims.c.kept_until < bindparam("now"))
    .order_by(tables.claims.c.kept_until)
    .limit(_PURGED_PER_CLAIM)
    .with_for_update(skip_locked=True)  # on PostgreSQL another process may be purging the same ones
)
_PURGE = delete(tables.claims).where(tables.claims.c.key.in_(_DUE.scalar_subquery()))


def claim(connection: Connection, key: str, *, now: datetime, until: datetime) -> bool:
    """Claim `key` unless it is taken, and delete a few expired claims."""
    require_storable(key)
    instant = _microseconds(now)
    taken = connection.execute(
        upserts_for(connection.dialect.name).take_claim,
        {"key": key, "kept_until": _microseconds(until), "now": instant},
    )
    if taken.rowcount == 0:
        return False
    connection.execute(_PURGE, {"now": instant})
    return True


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
