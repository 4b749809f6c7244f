"""Restore a backup into an empty store.

Owns the checks of a backup's content, and the order: everything is written in one transaction, which is committed only
after the last byte was authenticated. Leaves the two kinds of databases to restore_targets.py.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
from sqlalchemy import BigInteger, Connection, LargeBinary, Table
from sqlalchemy.exc import DataError, IntegrityError

from daypass.directory.store import Record
from daypass.ports import Entropy
from daypass.storage.address import Address
from daypass.storage.backup.age_files import decrypt, parse_identities, unlock
from daypass.storage.backup.archive import FORMAT, ArchiveHead, ArchiveReader, ArchiveRows, Frame, Row
from daypass.storage.backup.backup_file import FileHead, read_head
from daypass.storage.backup.backup_refusals import BackupDamagedError, BackupKeyError, BackupTooNewError
from daypass.storage.backup.restore_targets import empty_store
from daypass.storage.data_keys import DataKeys
from daypass.storage.refusals import StoreOpenError
from daypass.storage.schema import VERSIONS
from daypass.storage.sql.sql_writer import NONCE_BYTES
from daypass.storage.sql.table_rows import CONTENT, begin_history, insert_rows
from daypass.storage.vault import FixedKeys, Vault, adopted_records
from daypass.storage.wrapping.provider import WrappingProvider

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RestoreKeys:
    """The keys that may open a backup.

    `identities` has the text of identity files by their names.
    """

    passphrase: str = field(default="", repr=False)
    identities: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Kinds of records and links that are left out of a restored store.

    `make` returns the records that it gets instead.
    """

    kinds: Collection[str] = ()
    links: Collection[str] = ()
    make: Callable[[Vault], Iterable[Record]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class RestoreSummary:
    """A restored store, with the number of its rows by table."""

    created: datetime
    daypass_version: str
    revision: int
    rows: Mapping[str, int]
    left_out: int


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """The target of a restore and its keys.

    `master_key` returns the key that wraps the data key from now on.
    """

    address: Address
    keys: RestoreKeys
    master_key: Callable[[], WrappingProvider]
    replacement: Replacement = Replacement()
    entropy: Entropy = os.urandom


def restore_backup(source: BinaryIO, plan: RestorePlan, advance: Advance) -> RestoreSummary:
    """Restore a backup from a stream.

    Raises BackupError, StoreOpenError or StoreUnavailableError; then the store is as empty as before.
    """
    head = read_head(source)
    identities = _identities(head, plan.keys)
    with ExitStack() as stack:
        # The store is opened with the first frame: a wrong key or another file never makes tables in a database.
        filling = _Filling(lambda: stack.enter_context(empty_store(plan.address)), head, plan, advance)
        archive = ArchiveReader(filling.take)
        decrypt(source, archive, identities)
        archive.finish()
        return filling.finish()


def _identities(head: FileHead, keys: RestoreKeys) -> list[Any]:
    found = [each for name, text in keys.identities.items() for each in parse_identities(text, source=name)]
    if head.wrapped and keys.passphrase:
        found.append(unlock(head.wrapped, keys.passphrase))
    if not found:
        ways = {
            "passphrase": "set DAYPASS_BACKUP_PASSPHRASE or DAYPASS_BACKUP_PASSPHRASE_FILE",
            "recipient": "use --identity FILE with the secret key of a recipient",
        }
        told = [ways[each] for each in head.opened_by if each in ways]
        raise BackupKeyError(f"this backup needs its key: {', or '.join(told or ways.values())}")
    return found


class _Filling:
    """The content of one backup on its way into a transaction."""

    def __init__(self, begin: Callable[[], Connection], file: FileHead, plan: RestorePlan, advance: Advance) -> None:
        self._begin_store, self._file, self._plan, self._advance = begin, file, plan, advance
        self._connection: Connection | None = None
        self._head: ArchiveHead | None = None
        self._read = dict.fromkeys(CONTENT, 0)
        self._left_out = dict.fromkeys(CONTENT, 0)

    def take(self, frame: Frame) -> None:
        """Take in the next frame. Raises BackupError."""
        if isinstance(frame, ArchiveHead):
            self._begin(frame)
        elif self._head is None or self._connection is None:
            raise BackupDamagedError("it has no head")
        elif isinstance(frame, ArchiveRows):
            self._insert(self._connection, self._head, frame)
        elif frame.rows != self._read:
            raise BackupDamagedError("rows are missing")

    def finish(self) -> RestoreSummary:
        """Complete the store, before the commit."""
        head, plan, connection = self._head, self._plan, self._connection
        if head is None or connection is None:
            raise BackupDamagedError("it is empty")
        keys = DataKeys.decode(head.data_key)
        made = [
            *adopted_records(keys, plan.master_key()),
            *plan.replacement.make(Vault(FixedKeys(keys), entropy=plan.entropy)),
        ]
        insert_rows(connection, "records", [msgspec.structs.astuple(_in_order(each)) for each in made])
        begin_history(connection, number=head.revision + 1, nonce=plan.entropy(NONCE_BYTES))
        kept = {name: number - self._left_out[name] for name, number in self._read.items()}
        return RestoreSummary(head.created, head.daypass_version, head.revision, kept, sum(self._left_out.values()))

    def _begin(self, head: ArchiveHead) -> None:
        if self._head is not None:
            raise BackupDamagedError("it has two heads")
        if head.file_digest != self._file.digest or head.format != FORMAT or not _are_keys(head.data_key):
            raise BackupDamagedError("its head was changed")
        unknown = sorted(set(head.rows) - set(CONTENT))
        if head.schema_version not in VERSIONS or unknown:
            what = f"tables that this version does not know ({', '.join(unknown)[:80]})" if unknown else "later tables"
            raise BackupTooNewError(
                f"Daypass {head.daypass_version[:40]} wrote it, with {what}: install that version or a later one"
            )
        self._head, self._connection = head, self._begin_store()

    def _insert(self, connection: Connection, head: ArchiveHead, frame: ArchiveRows) -> None:
        table = CONTENT.get(frame.table)
        if table is None or not all(_fits(row, table) for row in frame.rows):
            raise BackupDamagedError("it has a row that fits no table")
        rows = [row for row in frame.rows if not self._is_left_out(frame.table, row)]
        try:
            if rows:
                insert_rows(connection, frame.table, rows)
        except (IntegrityError, DataError) as error:
            raise BackupDamagedError("two of its rows exclude each other, or one cannot be stored") from error
        self._read[frame.table] += len(frame.rows)
        self._left_out[frame.table] += len(frame.rows) - len(rows)
        self._advance(sum(self._read.values()), sum(head.rows.values()))

    def _is_left_out(self, table: str, row: Row) -> bool:
        replaced = {"records": self._plan.replacement.kinds, "links": self._plan.replacement.links}
        return row[0] in replaced.get(table, ())


def _are_keys(encoded: bytes) -> bool:
    try:
        DataKeys.decode(encoded)
    except StoreOpenError:
        return False
    return True


def _in_order(record: Record) -> Any:
    """Return the values of a record in the order of the table."""
    return _RecordRow(record.kind, record.account, record.key, record.sort, record.unique_id, record.body)


class _RecordRow(msgspec.Struct, frozen=True):
    kind: str
    account: str
    key: str
    sort: str
    unique_id: str | None
    body: bytes


def _fits(row: Row, table: Table) -> bool:
    columns = list(table.columns)
    if len(row) != len(columns):
        return False
    for column, value in zip(columns, row, strict=True):
        wanted = bytes if isinstance(column.type, LargeBinary) else int if isinstance(column.type, BigInteger) else str
        if type(value) is not wanted and not (value is None and column.nullable):
            return False
    return True
