"""A file that is not a whole backup of this format is refused, and leaves no store."""

import io
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.backup.conftest import IDENTITY, PASSPHRASE, RECIPIENT, query, restore
from tests.storage.postgresql import fresh_database
from tests.upgrade.conftest import then

from daypass.storage.backup.age_files import BackupEncryption, BackupKeys
from daypass.storage.backup.archive import (
    FORMAT,
    LARGEST_FRAME,
    ArchiveEnd,
    ArchiveHead,
    ArchiveRows,
    Frame,
    encode_frame,
)
from daypass.storage.backup.backup_file import make_head
from daypass.storage.backup.backup_refusals import (
    BackupDamagedError,
    BackupError,
    BackupExistsError,
    BackupKeyError,
    BackupTooNewError,
)
from daypass.storage.backup.passphrase_identity import MOST_WORK, unarmored, work_of, wrap_identity
from daypass.storage.data_keys import DataKeys
from daypass.storage.schema import VERSIONS


def refusal(content: bytes, folder: Path) -> BackupError:
    """Return why a backup was refused; require that no file was left."""
    with pytest.raises(BackupError) as refused:
        restore(content, f"sqlite:///{folder}/daypass.db")
    assert list(folder.iterdir()) == []
    return refused.value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_flipped_bit_is_noticed(backup: bytes, tmp_path: Path, data: st.DataObject) -> None:
    """It does not matter where."""
    # The end of the file, its head and the header of age are short, and would be hit rarely.
    where = data.draw(
        st.integers(0, len(backup) - 1) | st.integers(0, 600) | st.integers(len(backup) - 40, len(backup) - 1)
    )
    bit = 1 << data.draw(st.integers(0, 7))
    refusal(backup[:where] + bytes([backup[where] ^ bit]) + backup[where + 1 :], tmp_path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_cut_is_noticed(backup: bytes, tmp_path: Path, data: st.DataObject) -> None:
    """Also at the end of a chunk of age, and in the head."""
    length = data.draw(st.integers(0, len(backup) - 1))
    assert isinstance(refusal(backup[:length], tmp_path), BackupDamagedError | BackupKeyError)


def test_more_bytes_are_noticed(backup: bytes, tmp_path: Path) -> None:
    """Two files were joined, for example."""
    assert isinstance(refusal(backup + b"\0", tmp_path), BackupDamagedError)
    assert isinstance(refusal(backup + backup, tmp_path), BackupDamagedError)


@pytest.mark.parametrize("content", [b"", b"\n", b"SQLite format 3\0", b"age-encryption.org/v1\n", b"PGDMP" * 999])
def test_another_programs_file_is_named_so(content: bytes, tmp_path: Path) -> None:
    """It is not decrypted at all."""
    assert "does not begin as a backup" in str(refusal(content, tmp_path))


def test_a_newer_format_names_its_version(backup: bytes, tmp_path: Path) -> None:
    """The operator learns which version to install, without a key."""
    newer = backup.replace(b"daypass-backup 1\n", b"daypass-backup 2\n")
    refused = refusal(newer, tmp_path)
    assert isinstance(refused, BackupTooNewError)
    assert "Daypass '0.2.0' wrote it in format 2" in str(refused)
    assert "install that version" in str(refused)


def test_a_changed_head_is_noticed(backup: bytes, tmp_path: Path) -> None:
    """The head is not encrypted, but its digest is."""
    other = backup.replace(b'"DaypassVersion": "0.2.0"', b'"DaypassVersion": "0.1.9"')
    assert "its head was changed" in str(refusal(other, tmp_path))


def test_another_identity_does_not_open_it(backup: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the key, not the file."""
    monkeypatch.setattr("tests.backup.conftest.IDENTITY", pyrage.x25519.Identity.generate())
    refused = refusal(backup, tmp_path)
    assert isinstance(refused, BackupKeyError)
    assert "the key does not open this backup" in str(refused)


def crafted(*frames: Frame | bytes, **changes: Any) -> bytes:
    """Return a file of the recipient with any content."""
    head = make_head(version="9.9.9", created=then(), opened_by=("recipient",), wrapped="")
    first: dict[str, Any] = {
        "format": FORMAT,
        "daypass_version": "9.9.9",
        "created": then(),
        "schema_version": VERSIONS[-1],
        "revision": 7,
        "file_digest": head.digest,
        "data_key": DataKeys({b"": bytes(32)}).encode(),
        "rows": {},
    }
    pieces = [ArchiveHead(**(first | changes)), *frames]
    out = io.BytesIO()
    encryption = BackupEncryption(BackupKeys(recipients=(RECIPIENT,)))
    encryption.encrypt(iter([each if isinstance(each, bytes) else encode_frame(each) for each in pieces]), out)
    return head.content + out.getvalue()


_NONE = {"records": 0, "links": 0, "claims": 0, "last_uses": 0}
_ROW = ["user", "1", "ada", "/ada", None, b"{}"]


def test_later_tables_and_versions_are_refused(tmp_path: Path) -> None:
    """A part of a store would lack rights or revocations."""
    for changes in ({"rows": {"seals": 1}}, {"schema_version": "0002"}):
        refused = refusal(crafted(ArchiveEnd(_NONE), **changes), tmp_path)
        assert isinstance(refused, BackupTooNewError)
        assert "Daypass 9.9.9 wrote it" in str(refused)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [ArchiveEnd(_NONE | {"records": 1})],
        [ArchiveRows("records", [_ROW, _ROW]), ArchiveEnd(_NONE | {"records": 2})],
        [ArchiveRows("records", [_ROW[:5]]), ArchiveEnd(_NONE | {"records": 1})],
        [ArchiveRows("records", [[*_ROW[:5], "text"]]), ArchiveEnd(_NONE | {"records": 1})],
        [ArchiveRows("claims", [["key", None]]), ArchiveEnd(_NONE | {"claims": 1})],
        [ArchiveRows("counts", [["user", "1", 5]]), ArchiveEnd(_NONE)],
        [ArchiveEnd(_NONE), ArchiveEnd(_NONE)],
        [b"\0\0\0\x05hello", ArchiveEnd(_NONE)],
        [(LARGEST_FRAME + 1).to_bytes(4, "big")],
        [encode_frame(ArchiveEnd(_NONE))[:-1]],
    ],
)
def test_a_malformed_archive_is_refused(frames: list[Frame | bytes], tmp_path: Path) -> None:
    """Anyone with a recipient's public key can write such a file."""
    assert isinstance(refusal(crafted(*frames), tmp_path), BackupDamagedError)


def test_a_frame_that_inflates_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes must not take all memory. The limit is smaller in this test, to save time."""
    monkeypatch.setattr("daypass.storage.backup.archive.LARGEST_FRAME", 1_000_000)
    bomb = encode_frame(ArchiveRows("records", [[*_ROW[:5], bytes(1_000_000)]]))
    assert len(bomb) < 2_000
    assert isinstance(refusal(crafted(bomb), tmp_path), BackupDamagedError)


def test_a_postgresql_database_stays_empty_after_a_refusal(backup: bytes) -> None:
    """The same database can be used for the next attempt, also if rows were written before the damage was found."""
    long = crafted(ArchiveRows("records", [[*_ROW[:5], token_bytes(200_000)]]), ArchiveEnd(_NONE | {"records": 1}))
    with fresh_database() as url:
        with pytest.raises(BackupDamagedError):
            restore(long[:-1], url)
        assert query(url, "SELECT count(*) FROM records") == [(0,)]
        restore(backup, url)
        with pytest.raises(BackupExistsError, match=r"has a store already \(revision \d+\).*createdb"):
            restore(backup, url)


def test_an_existing_store_is_never_changed(backup: bytes, tmp_path: Path) -> None:
    """Neither is a database beside the log of an earlier one: SQLite would replay it."""
    url = f"sqlite:///{tmp_path}/daypass.db"
    restore(backup, url)
    before = (tmp_path / "daypass.db").read_bytes()
    with pytest.raises(BackupExistsError, match="exists already, and a restore never changes one"):
        restore(backup, url)
    assert (tmp_path / "daypass.db").read_bytes() == before
    (tmp_path / "other.db-wal").touch()
    with pytest.raises(BackupExistsError, match="the log of an earlier database"):
        restore(backup, f"sqlite:///{tmp_path}/other.db")


def test_the_passphrase_part_is_an_age_file() -> None:
    """The library opens it, as the program `age` does. A hostile work factor is seen before it takes any memory."""
    content = unarmored(wrap_identity(str(IDENTITY), PASSPHRASE, entropy=bytes))
    assert content is not None
    assert pyrage.passphrase.decrypt(content, PASSPHRASE) == f"{IDENTITY}\n".encode()
    assert work_of(content) == 17 <= MOST_WORK < 30
    assert work_of(content.replace(b" 17\n", b" 30\n", 1)) == 30
    assert work_of(b"age-encryption.org/v1\n-> X25519 x\n") is None
