"""The replay guard in SQL: one statement that claims a key or fails.

The primary key makes it atomic: of two processes, one inserts, and the other waits and finds the row.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from daypass.storage.sql.driver_connection import fixed
from daypass.storage.sql.upserts import upserts_for
from daypass.storage.storable_text import require_storable

_PURGED_PER_CLAIM = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DUE = "SELECT key FROM claims WHERE kept_until < :now ORDER BY kept_until LIMIT :most"
_PURGE = {
    "sqlite": fixed(text(f"DELETE FROM claims WHERE key IN ({_DUE})")),  # noqa: S608 - a constant
    # Another process may be purging the same ones.
    "postgresql": fixed(text(f"DELETE FROM claims WHERE key IN ({_DUE} FOR UPDATE SKIP LOCKED)")),  # noqa: S608
}


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
    connection.execute(_PURGE[connection.dialect.name], {"now": instant, "most": _PURGED_PER_CLAIM})
    return True


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
