"""Writers of PostgreSQL: their locks, and the end of an account's write.

Owns the rules that keep revisions without gaps and in the order of the commits while accounts do not wait for each
other (docs/decisions/0031-writes-of-one-account.md):

* A writer of the whole store takes the row of the revision FOR UPDATE at its start, as version 0.1.0 does. So it is
  alone.
* A writer of one account takes the advisory lock of the account, then the same row FOR KEY SHARE, which writers of
  other accounts share, and which excludes writers of the whole store.
* The writer of an account takes its number at its end, in one message with its log entry and the COMMIT. The row is
  locked from the number to the commit, so that commits have the order of their numbers.
* Locks are taken in one order: account, gate, row. No other lock is taken after the number. So there is no deadlock.
* PostgreSQL lets new sharers of a row pass a waiting FOR UPDATE, for ever under load. So every writer passes the gate,
  an advisory lock that is granted in the order of the requests: shared for an account, alone for the whole store.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from daypass.ports import Clock
from daypass.storage.sql import sql_writer
from daypass.storage.sql.engines import Engines
from daypass.storage.sql.psycopg_connection import PsycopgConnection, write_transaction
from daypass.storage.sql.sql_writer import NONCE_BYTES, SqlWriter

# Numbers that never change, because the nodes of all versions have to agree.
_GATE = 0x64617970617374  # beside the lock of migrations, in schema.py
_ACCOUNTS = b"daypass-account"
_STORE_LOCKS = "SELECT pg_advisory_xact_lock({gate}); SELECT number FROM revision FOR UPDATE"
_ACCOUNT_LOCKS = (
    "SELECT pg_advisory_xact_lock({account}); "
    "SELECT pg_advisory_xact_lock_shared({gate}); "
    "SELECT number FROM revision FOR KEY SHARE"
)

TRIM_EVERY = 64  # writes, on average: the log may be that much longer
_ADD_COUNTS = (
    "INSERT INTO counts (kind, account, number) VALUES {rows} "
    "ON CONFLICT (kind, account) DO UPDATE SET number = counts.number + excluded.number; "
)
_TAKE_NUMBER = (
    "WITH taken AS (UPDATE revision SET number = number + 1 RETURNING number) "
    "INSERT INTO changes (revision, touched, nonce) SELECT number, %s, %s FROM taken RETURNING revision; "
)
_TRIM = "DELETE FROM changes WHERE revision <= (SELECT number FROM revision) - %s; "


@contextmanager
def postgresql_writer(engines: Engines, clock: Clock, account: str | None) -> Iterator[SqlWriter]:
    """Open the only writer of one account, or of the whole store.

    Its transaction begins with its locks, and is committed unless there was an exception.
    """
    with write_transaction(engines.plain, f"{engines.begin_write}; {_locks_of(account)}") as (connection, number):
        if account is None:
            yield SqlWriter(connection.as_sqlalchemy(), clock=clock, revision=int(number))
        else:
            yield AccountWriter(connection, clock, account)


@lru_cache(maxsize=4096)
def _locks_of(account: str | None) -> str:
    """Return the statements that lock one account, or the whole store."""
    if account is None:
        return _STORE_LOCKS.format(gate=_GATE)
    return _ACCOUNT_LOCKS.format(account=_lock_of(account), gate=_GATE)


def _lock_of(account: str) -> int:
    # Two accounts with one number would wait for each other needlessly, and nothing else.
    digest = hashlib.blake2b(account.encode(), digest_size=8, person=_ACCOUNTS).digest()
    return int.from_bytes(digest, "big", signed=True)


class AccountWriter(SqlWriter):
    """The only writer of one account. Its number is known at its end."""

    def __init__(self, connection: PsycopgConnection, clock: Clock, account: str) -> None:
        super().__init__(connection.as_sqlalchemy(), clock=clock, revision=0, account=account)
        self._driver = connection

    def finish(self) -> tuple[int, bytes | None]:
        """Take a number, record the changes, and commit, in one message."""
        entry, nonce = self._log_entry(), os.urandom(NONCE_BYTES)
        counted = [(*of, difference) for of, difference in self._counted.items() if difference]
        text = ""
        values: list[str | int | bytes | None] = [value for row in counted for value in row]
        if counted:
            text = _ADD_COUNTS.format(rows=", ".join(["(%s, %s, %s)"] * len(counted)))
        text += _TAKE_NUMBER
        values += [entry, nonce]
        if nonce[0] % TRIM_EVERY == 0:
            text += _TRIM
            values.append(sql_writer.LOG_LENGTH)
        (number,) = self._driver.commit_with(text, values)
        return int(number), entry
