"""Write a backup of a store.

Owns the one snapshot that all of it comes from: the server goes on serving and writing meanwhile. Leaves the rows to
sql/table_rows.py, the content to archive.py and the encryption to age_files.py.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

from daypass.directory.store import Store
from daypass.ports import Entropy
from daypass.storage.backup.age_files import BackupEncryption, BackupKeys
from daypass.storage.backup.archive import FORMAT, ArchiveEnd, ArchiveHead, Row, encode_frame, in_frames
from daypass.storage.backup.backup_file import FileHead, make_head
from daypass.storage.backup.backup_refusals import BackupError
from daypass.storage.keyring import is_keyring_record
from daypass.storage.sql.snapshots import SnapshotReader
from daypass.storage.sql.sql_store import SqlStore
from daypass.storage.sql.table_rows import CONTENT, each_row
from daypass.storage.vault import Vault

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """A written backup: its head, its size, and the SHA-256 of its file."""

    created: datetime
    daypass_version: str
    revision: int
    rows: Mapping[str, int]
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class BackupSource:
    """The store to back up, and the version and time that the file names."""

    store: Store
    vault: Vault
    version: str
    now: Callable[[], datetime]
    entropy: Entropy = os.urandom


def write_backup(source: BackupSource, out: BinaryIO, keys: BackupKeys, advance: Advance) -> BackupSummary:
    """Write a backup to a stream. Raises BackupError or StoreUnavailableError."""
    if not isinstance(source.store, SqlStore):
        raise BackupError("a store in memory ends with its process, so it has no backup")
    encryption = BackupEncryption(keys, entropy=source.entropy)
    opened_by = (*(["passphrase"] if keys.passphrase else []), *(["recipient"] if keys.recipients else []))
    created = source.now()  # before the snapshot: nothing later than this is certain to be in it
    head = make_head(version=source.version, created=created, opened_by=opened_by, wrapped=encryption.wrapped)
    counted = _Counted(out)
    counted.write(head.content)
    with source.store.read() as reader:
        archive = _Archive(reader, source, head, advance)
        encryption.encrypt(archive.frames(), counted)  # type: ignore[arg-type] # the library needs `write` and `flush`
    return BackupSummary(
        created, source.version, archive.revision, archive.written, counted.size, counted.digest.hexdigest()
    )


class _Archive:
    """The frames of one snapshot."""

    def __init__(self, reader: SnapshotReader, source: BackupSource, head: FileHead, advance: Advance) -> None:
        self._reader, self._source, self._head, self._advance = reader, source, head, advance
        self.revision = reader.revision()
        self.written = dict.fromkeys(CONTENT, 0)

    def frames(self) -> Iterator[bytes]:
        sizes = {name: self._reader.table_size(name) for name in CONTENT}
        yield encode_frame(self._first(sizes))
        for name in CONTENT:
            for frame in in_frames(name, self._rows(name)):
                yield encode_frame(frame)
                self.written[name] += len(frame.rows)
                self._advance(sum(self.written.values()), sum(sizes.values()))
        yield encode_frame(ArchiveEnd(self.written))

    def _first(self, sizes: Mapping[str, int]) -> ArchiveHead:
        return ArchiveHead(
            format=FORMAT,
            daypass_version=self._source.version,
            created=self._head.created,
            schema_version=self._reader.schema_version(),
            revision=self.revision,
            file_digest=self._head.digest,
            data_key=self._source.vault.data_keys(self._reader).encode(),
            rows=sizes,
        )

    def _rows(self, name: str) -> Iterator[Row]:
        # The wrapped data keys are of use only with this store's master key; the head has the keys themselves.
        rows = each_row(self._reader, name)
        return rows if name != "records" else (row for row in rows if not is_keyring_record(str(row[0])))


class _Counted:
    """A stream that counts and digests what it writes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.size, self.digest = 0, sha256()

    def write(self, data: bytes) -> int:
        self._out.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self._out.flush()
