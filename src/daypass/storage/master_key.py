"""The master key: its sources and its encodings.

Owns the rules:

- The key is given as a string or in a file, or generated beside an empty SQLite database.
- A missing key must never be replaced by a new one: it could not decrypt the store.
- A key is 32 bytes, as 64 hexadecimal digits or in base64. Any other string of 16 characters or more is a passphrase
  and is stretched.

Leaves reading the environment to the configuration.
"""

import base64
import binascii
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from daypass.ports import Entropy
from daypass.storage.address import Address, MemoryAddress, SqliteAddress
from daypass.storage.refusals import MasterKeyMissingError, StoreOpenError

KEY_BYTES = 32
GENERATED_NAME = "master.key"
_LEAST_CHARACTERS = 16
_MOST_BYTES = 4096
_HEX = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?", re.ASCII)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Thirty-two bytes that protect every secret in the store."""

    _bytes: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "<secret>"

    def reveal(self) -> bytes:
        """Return the bytes."""
        return self._bytes


def find_master_key(
    address: Address,
    *,
    text: str | None,
    file: Path | None,
    store_is_empty: bool,
    entropy: Entropy = os.urandom,
) -> MasterKey:
    """Return the given or the generated key.

    Raises MasterKeyMissingError or StoreOpenError. `text` and `file` are DAYPASS_MASTER_KEY and
    DAYPASS_MASTER_KEY_FILE. An empty store has revision 0.
    """
    if text is not None and file is not None:
        raise StoreOpenError("DAYPASS_MASTER_KEY and DAYPASS_MASTER_KEY_FILE are both set; set one of them")
    if text is not None:
        return parse_master_key(text, source="DAYPASS_MASTER_KEY")
    if file is not None:
        return _read(file)
    if isinstance(address, MemoryAddress):
        return MasterKey(entropy(KEY_BYTES))  # has the lifetime of the memory store
    if isinstance(address, SqliteAddress):
        return _beside(address.path.with_name(GENERATED_NAME), store_is_empty, entropy)
    raise MasterKeyMissingError(
        "a PostgreSQL store needs a master key: set DAYPASS_MASTER_KEY or DAYPASS_MASTER_KEY_FILE"
    )


def parse_master_key(text: str, *, source: str) -> MasterKey:
    """Parse a key. `source` names its source in an error message."""
    stripped = text.strip()
    if _HEX.fullmatch(stripped):
        return MasterKey(bytes.fromhex(stripped))
    if _BASE64.fullmatch(stripped):
        with suppress(binascii.Error):
            standard = stripped.rstrip("=").translate(str.maketrans("-_", "+/")) + "="
            return MasterKey(base64.b64decode(standard, validate=True))
    if len(stripped) < _LEAST_CHARACTERS:
        raise StoreOpenError(
            f"{source} is too short for a master key: give 32 bytes as hexadecimal digits or in base64 "
            f"(`openssl rand -base64 32`), or a passphrase of at least {_LEAST_CHARACTERS} characters"
        )
    return _stretch(stripped.encode("utf-8", "surrogateescape"))


def _stretch(passphrase: bytes) -> MasterKey:
    """Stretch a passphrase to make guessing expensive.

    The salt is fixed: the store is not readable yet.
    """
    return MasterKey(Scrypt(salt=b"daypass master key", length=KEY_BYTES, n=2**15, r=8, p=1).derive(passphrase))


def _read(file: Path) -> MasterKey:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StoreOpenError(f"cannot read the master key file {file}: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise StoreOpenError(f"the master key file {file} is too long for a master key")
    try:
        return parse_master_key(content.decode(), source=str(file))
    except UnicodeDecodeError:
        if len(content) == KEY_BYTES:  # thirty-two random bytes are almost never text
            return MasterKey(content)
        raise StoreOpenError(f"the master key file {file} is neither text nor {KEY_BYTES} bytes") from None


def _beside(file: Path, store_is_empty: bool, entropy: Entropy) -> MasterKey:  # noqa: FBT001 - private, one caller
    if not file.exists():
        if not store_is_empty:
            raise MasterKeyMissingError(
                f"the store's master key {file} does not exist: restore it, or set DAYPASS_MASTER_KEY to its content"
            )
        _generate(file, entropy)
    if file.stat().st_mode & _OTHERS:
        raise StoreOpenError(f"the master key {file} is open to other users: run `chmod 600 {file}`")
    return _read(file)


def _generate(file: Path, entropy: Entropy) -> None:
    """Write a new key, complete and durable before it gets its name.

    Of two servers at once, one key stays.
    """
    descriptor, written = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(base64.b64encode(entropy(KEY_BYTES)) + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            os.link(written, file)
    finally:
        Path(written).unlink()
    _make_durable(file.parent)


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class MasterKeySource:
    """The source of the master key: its text or a file. Empty if not given."""

    text: str = ""
    file: str = ""

    def __repr__(self) -> str:
        return "<secret>"
