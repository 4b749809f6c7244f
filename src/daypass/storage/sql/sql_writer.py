"""Changes of the tables inside the only writing transaction.

Owns the counts and the log of changes, for both databases. A writer exists only under the locks of its account or of
the whole store (postgresql_writers.py, sqlite_writer.py), so its reads stay correct until its writes. A statement must
not violate a constraint: on PostgreSQL that would abort the transaction.
"""

# ruff: noqa: D102 - what each method promises is written once, in directory/store.py

import os
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, update

from daypass.directory.changes import LinkChange, StoreChange
from daypass.directory.store import Link, Record, RecordExistsError, RecordMissingError
from daypass.ports import Clock
from daypass.storage.account_limits import require_in_account, require_known_number
from daypass.storage.invalidation import change_of
from daypass.storage.sql import tables
from daypass.storage.sql.driver_connection import fixed
from daypass.storage.sql.replay_guard import claim
from daypass.storage.sql.sql_reader import SqlReader
from daypass.storage.sql.upserts import upserts_for
from daypass.storage.storable_text import require_storable

LOG_LENGTH = 4096  # revisions in the log of changes
NONCE_BYTES = 16
_LOG_ENTRY_BYTES = 65_536  # a larger set of changes is logged as unknown

_REPLACE = fixed(
    update(tables.records)
    .where(tables.named(tables.records, "kind", "account", "key", prefix="old_"))
    .values(sort=bindparam("sort"), unique_id=bindparam("unique_id"), body=bindparam("body"))
)
_DELETE = fixed(delete(tables.records).where(tables.named(tables.records, "kind", "account", "key")))
_UNLINK = fixed(delete(tables.links).where(tables.named(tables.links, "kind", "source", "target")))
_DELETE_USE = fixed(delete(tables.last_uses).where(tables.named(tables.last_uses, "unique_id")))
_SET_REVISION = fixed(update(tables.revision).values(number=bindparam("number")))
_LOG = fixed(insert(tables.changes))
_FORGET = fixed(delete(tables.changes).where(tables.changes.c.revision <= bindparam("oldest")))


class TableChanges:
    """The part of a writer that changes the tables.

    The other part is a reader of the same connection.

    `finish` records the changes, as the last step before the commit. With an `account` the writer changes no other.
    """

    def __init__(self, connection: Connection, *, clock: Clock, revision: int, account: str | None = None) -> None:
        self._connection = connection
        self._clock = clock
        self._account = account
        self._upserts = upserts_for(connection.dialect.name)
        self._before = revision
        self._changed: set[StoreChange] = set()
        self._counted: Counter[tuple[str, str]] = Counter()

    if TYPE_CHECKING:  # methods of the other part

        def find(self, kind: str, account: str, key: str) -> Record | None:
            raise NotImplementedError

        def find_by_id(self, unique_id: str) -> Record | None:
            raise NotImplementedError

        def find_link(self, kind: str, source: str, target: str) -> Link | None:
            raise NotImplementedError

        def page(
            self, kind: str, account: str | None, *, after: str = "", limit: int, prefix: str = ""
        ) -> list[Record]:
            raise NotImplementedError

    @property
    def has_changes(self) -> bool:
        """Whether there are changes, without which a write makes no revision."""
        return bool(self._changed)

    def revision(self) -> int:
        require_known_number(self._account)
        return self._before + 1

    def claim(self, key: str, *, until: datetime) -> bool:
        return claim(self._connection, key, now=self._clock.now(), until=until)

    def insert(self, record: Record) -> None:
        require_in_account(self._account, record.account)
        require_storable(record.kind, record.account, record.key, record.sort, record.unique_id)
        inserted = self._connection.execute(self._upserts.insert_record, msgspec.structs.asdict(record))
        if inserted.rowcount == 0:
            raise RecordExistsError(record.kind, record.key)
        self._counted[record.kind, record.account] += 1
        self._changed.add(change_of(record))

    def replace(self, record: Record) -> None:
        require_in_account(self._account, record.account)
        require_storable(record.kind, record.account, record.key, record.sort, record.unique_id)
        old = self.find(record.kind, record.account, record.key)
        if old is None:
            raise RecordMissingError(record.kind, record.key)
        self._require_free(record, instead_of=old)
        names = {"old_kind": old.kind, "old_account": old.account, "old_key": old.key}
        values = {"sort": record.sort, "unique_id": record.unique_id, "body": record.body}
        self._connection.execute(_REPLACE, names | values)
        self._changed |= {change_of(old), change_of(record)}

    def delete(self, kind: str, account: str, key: str) -> None:
        require_in_account(self._account, account)
        old = self.find(kind, account, key)
        if old is None:
            raise RecordMissingError(kind, key)
        self._connection.execute(_DELETE, {"kind": kind, "account": account, "key": key})
        self._counted[kind, account] -= 1
        self._changed.add(change_of(old))

    def link(self, link: Link) -> None:
        require_storable(link.kind, link.source, link.target)
        self._connection.execute(self._upserts.put_link, msgspec.structs.asdict(link))
        self._changed.add(LinkChange(link.kind, link.source, link.target))

    def unlink(self, kind: str, source: str, target: str) -> None:
        if self.find_link(kind, source, target) is None:
            raise RecordMissingError(kind, source, target)
        self._connection.execute(_UNLINK, {"kind": kind, "source": source, "target": target})
        self._changed.add(LinkChange(kind, source, target))

    def delete_use(self, unique_id: str) -> None:
        self._connection.execute(_DELETE_USE, {"unique_id": unique_id})

    def finish(self) -> tuple[int, bytes | None]:
        """Record the new revision and its changes.

        Return the number and the log entry.
        """
        number, entry = self._before + 1, self._log_entry()
        self._connection.execute(_SET_REVISION, {"number": number})
        self._connection.execute(_LOG, {"revision": number, "touched": entry, "nonce": os.urandom(NONCE_BYTES)})
        self._connection.execute(_FORGET, {"oldest": number - LOG_LENGTH})
        counted = [
            {"kind": kind, "account": account, "number": difference}
            for (kind, account), difference in self._counted.items()
            if difference
        ]
        if counted:
            self._connection.execute(self._upserts.add_to_count, counted)
        return number, entry

    def _log_entry(self) -> bytes | None:
        """Return the changes for the log, or None if they are too many."""
        entry = msgspec.msgpack.encode(list(self._changed))
        return entry if len(entry) <= _LOG_ENTRY_BYTES else None

    def _require_free(self, record: Record, *, instead_of: Record) -> None:
        if record.unique_id not in {None, instead_of.unique_id} and self._has_id(record.unique_id):
            raise RecordExistsError(record.kind, record.key)
        if record.sort != instead_of.sort and self._has_sort(record):
            raise RecordExistsError(record.kind, record.key)

    def _has_id(self, unique_id: str | None) -> bool:
        return unique_id is not None and self.find_by_id(unique_id) is not None

    def _has_sort(self, record: Record) -> bool:
        found = self.page(record.kind, record.account, prefix=record.sort, limit=1)
        return bool(found) and found[0].sort == record.sort


class SqlWriter(TableChanges, SqlReader):
    """A writer with SQLAlchemy's statements."""

    def __init__(self, connection: Connection, *, clock: Clock, revision: int, account: str | None = None) -> None:
        SqlReader.__init__(self, connection)
        TableChanges.__init__(self, connection, clock=clock, revision=revision, account=account)

    def count(self, kind: str, account: str) -> int:
        return super().count(kind, account) + self._counted[kind, account]
