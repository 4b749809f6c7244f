"""The sources of the master key; a missing one is never replaced."""

import base64
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daypass.storage.address import Address, MemoryAddress, SqliteAddress, parse_address
from daypass.storage.master_key import MasterKey, find_master_key, parse_master_key
from daypass.storage.refusals import MasterKeyMissingError, StoreOpenError

RAW = bytes(range(224, 256))
POSTGRESQL = parse_address("postgresql://u@h/d")


def _key_file(folder: Path, content: bytes) -> Path:
    """Write a key file that only its owner can read."""
    file = folder / "key"
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


def _found(address: Address, *, is_empty: bool = True, text: str | None = None, file: Path | None = None) -> MasterKey:
    return find_master_key(address, text=text, file=file, store_is_empty=is_empty)


@pytest.fixture
def beside(tmp_path: Path) -> SqliteAddress:
    """Return the address of a SQLite store in an empty folder."""
    return SqliteAddress(tmp_path / "daypass.db")


@pytest.mark.parametrize(
    "spelled",
    [
        RAW.hex(),
        RAW.hex().upper(),
        base64.b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode().rstrip("="),
        f"  {base64.b64encode(RAW).decode()}\n",
    ],
)
def test_a_key_has_several_spellings(spelled: str) -> None:
    """Hexadecimal or base64 of 32 bytes, with or without the newline that editors leave."""
    assert parse_master_key(spelled, source="here").reveal() == RAW


def test_another_text_is_a_passphrase() -> None:
    """It is stretched deterministically, without surrounding whitespace."""
    key = parse_master_key("correct horse battery staple", source="here").reveal()
    assert len(key) == 32
    assert parse_master_key("correct horse battery staple\n", source="here").reveal() == key
    assert parse_master_key("correct horse battery stable", source="here").reveal() != key


@pytest.mark.parametrize("text", ["", "   \n", "hunter2", "fifteen letters"])
def test_a_short_text_is_refused_without_repeating_it(text: str) -> None:
    """The message says how to create a good one."""
    with pytest.raises(StoreOpenError, match="openssl rand") as refused:
        parse_master_key(text, source="DAYPASS_MASTER_KEY")
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize(
    "address", [MemoryAddress(), SqliteAddress(Path("x.db")), POSTGRESQL], ids=["memory", "sqlite", "postgresql"]
)
def test_what_is_given_counts_everywhere(address: Address, tmp_path: Path) -> None:
    """A key as a string or in a file works for every store.

    A file may also contain the bare bytes.
    """
    assert _found(address, text=RAW.hex()).reveal() == RAW
    for content in (RAW.hex().encode() + b"\n", RAW):
        assert _found(address, file=_key_file(tmp_path, content)).reveal() == RAW


def test_both_given_is_refused(beside: SqliteAddress, tmp_path: Path) -> None:
    """It would be unknown which one wraps the secrets."""
    with pytest.raises(StoreOpenError, match="both"):
        _found(beside, text=RAW.hex(), file=tmp_path / "key")


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff" * 31, b"\xff" * 33, b"x" * 5000], ids=["absent", "empty", "31", "33", "long"]
)
def test_a_bad_file_is_refused_by_name(beside: SqliteAddress, tmp_path: Path, content: bytes | None) -> None:
    """The file is missing, empty, too long, or neither text nor 32 bytes."""
    if content is not None:
        _key_file(tmp_path, content)
    with pytest.raises(StoreOpenError, match=r"/key"):
        _found(beside, file=tmp_path / "key")


def test_a_key_is_generated_beside_an_empty_sqlite_store(beside: SqliteAddress, tmp_path: Path) -> None:
    """It has mode 0600, leaves no other file, and stays the same from then on."""
    key = _found(beside)
    assert [file.name for file in tmp_path.iterdir()] == ["master.key"]
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert _found(beside, is_empty=False) == _found(beside) == key
    assert len(key.reveal()) == 32


def test_a_lost_key_is_never_replaced(beside: SqliteAddress, tmp_path: Path) -> None:
    """A store with content and no key is refused, and a key is not created beside it."""
    with pytest.raises(MasterKeyMissingError, match="restore it"):
        _found(beside, is_empty=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_empty", [True, False])
def test_postgresql_needs_a_key(*, is_empty: bool) -> None:
    """Several nodes share it, thus a node must not generate it."""
    with pytest.raises(MasterKeyMissingError, match="DAYPASS_MASTER_KEY"):
        _found(POSTGRESQL, is_empty=is_empty)


def test_a_generated_key_that_others_can_read_is_refused(beside: SqliteAddress, tmp_path: Path) -> None:
    """The message contains the command that repairs it."""
    _found(beside)
    (tmp_path / "master.key").chmod(0o640)
    with pytest.raises(StoreOpenError, match="chmod 600"):
        _found(beside)


def test_servers_that_start_at_once_agree_on_one_key(beside: SqliteAddress) -> None:
    """The second server uses the key of the first."""
    find: Callable[[int], MasterKey] = lambda _: _found(beside)  # noqa: E731 - a lambda with a type
    with ThreadPoolExecutor(8) as pool:
        assert len({key.reveal() for key in pool.map(find, range(16))}) == 1


def test_a_memory_store_s_key_goes_with_it() -> None:
    """Two memory stores have different keys."""
    assert _found(MemoryAddress()) != _found(MemoryAddress())
