"""The master key as text or in a file: its sources and its encodings.

Owns the rules:

- The key is given as a string or in a file, or generated beside an empty SQLite database.
- A missing key must never be replaced by a new one: it could not decrypt the store.
- A key is 32 bytes, as 64 hexadecimal digits or in base64. Any other string of 16 characters or more is a passphrase
  and is stretched.

Leaves reading the environment to the configuration, and a master key elsewhere to wrapping/.
"""

import base64
import binascii
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from daypass.directory.secret_box import SecretDecryptionError
from daypass.key_files import KeyFileError, read_key_file
from daypass.ports import Entropy
from daypass.storage.address import Address, MemoryAddress, SqliteAddress
from daypass.storage.refusals import MasterKeyMissingError, StoreOpenError, WrongMasterKeyError
from daypass.storage.sealed_form import KEY_BYTES, open_bytes, seal_bytes

if TYPE_CHECKING:
    from daypass.storage.wrapping.provider import WrappingProvider

_VAULT, _PKCS11 = "vault:", "pkcs11:"
GENERATED_NAME = "master.key"
_LEAST_CHARACTERS = 16
_MOST_BYTES = 4096
_HEX = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?", re.ASCII)
_FORM, _PURPOSE, _BOUND_TO = b"\x01", b"daypass vault data key v1", "data-key"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Thirty-two bytes that protect every secret in the store.

    It is a wrapping provider.

    `name` is its source. Version 0.1.0 reads the wrapped form.
    """

    _bytes: bytes = field(repr=False)
    name: str = field(default="the master key", compare=False)

    def __repr__(self) -> str:
        return "<secret>"

    @property
    def scheme(self) -> str:
        """The kind of the provider."""
        return "key"

    def reveal(self) -> bytes:
        """Return the bytes."""
        return self._bytes

    def wrap(self, data_key: bytes, /) -> bytes:
        """Return the data key, sealed under this key."""
        return _FORM + seal_bytes(self._bytes, _PURPOSE, data_key, _BOUND_TO, os.urandom)

    def unwrap(self, wrapped: bytes, /) -> bytes:
        """Return the data key, or raise WrongMasterKeyError."""
        wrong = WrongMasterKeyError("the master key does not open this store; it was created with another one")
        if not wrapped.startswith(_FORM):
            raise wrong
        try:
            return open_bytes(self._bytes, _PURPOSE, wrapped[len(_FORM) :], _BOUND_TO)
        except (InvalidTag, SecretDecryptionError) as error:
            raise wrong from error


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
        return read_master_key(file)
    if isinstance(address, MemoryAddress):
        return MasterKey(entropy(KEY_BYTES), "in memory")  # has the lifetime of the memory store
    if isinstance(address, SqliteAddress):
        return _beside(address.path.with_name(GENERATED_NAME), store_is_empty, entropy)
    raise MasterKeyMissingError(
        "a PostgreSQL store needs a master key: make one with `openssl rand -base64 32`, and set DAYPASS_MASTER_KEY or "
        "DAYPASS_MASTER_KEY_FILE on every node"
    )


def parse_master_key(text: str, *, source: str) -> MasterKey:
    """Parse a key. `source` names its source in an error message."""
    stripped = text.strip()
    if _HEX.fullmatch(stripped):
        return MasterKey(bytes.fromhex(stripped), source)
    if _BASE64.fullmatch(stripped):
        with suppress(binascii.Error):
            standard = stripped.rstrip("=").translate(str.maketrans("-_", "+/")) + "="
            return MasterKey(base64.b64decode(standard, validate=True), source)
    if len(stripped) < _LEAST_CHARACTERS:
        raise StoreOpenError(
            f"{source} is too short for a master key: give 32 bytes as hexadecimal digits or in base64 "
            f"(`openssl rand -base64 32`), or a passphrase of at least {_LEAST_CHARACTERS} characters"
        )
    return _stretch(stripped.encode("utf-8", "surrogateescape"), source)


def _stretch(passphrase: bytes, source: str) -> MasterKey:
    """Stretch a passphrase to make guessing expensive.

    The salt is fixed: the store is not readable yet.
    """
    stretched = Scrypt(salt=b"daypass master key", length=KEY_BYTES, n=2**15, r=8, p=1).derive(passphrase)
    return MasterKey(stretched, source)


def read_master_key(file: Path) -> MasterKey:
    """Return the key in a file, or raise StoreOpenError.

    The permissions of the file are checked (key_files.py).
    """
    try:
        content = read_key_file(file, most_bytes=_MOST_BYTES)
    except KeyFileError as error:
        raise StoreOpenError(f"the master key file {error}") from error
    try:
        return parse_master_key(content.decode(), source=str(file))
    except UnicodeDecodeError:
        if len(content) == KEY_BYTES:  # thirty-two random bytes are almost never text
            return MasterKey(content, str(file))
        raise StoreOpenError(f"the master key file {file} is neither text nor {KEY_BYTES} bytes") from None


def _beside(file: Path, store_is_empty: bool, entropy: Entropy) -> MasterKey:  # noqa: FBT001 - private, one caller
    if not file.exists():
        if not store_is_empty:
            raise MasterKeyMissingError(
                f"the store's master key {file} does not exist: restore it, or set DAYPASS_MASTER_KEY to its content"
            )
        generate_master_key(file, entropy)
    return read_master_key(file)


def generate_master_key(file: Path, entropy: Entropy = os.urandom) -> None:
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
    make_durable(file.parent)


def make_durable(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class MasterKeySource:
    """The settings of the master key. Empty if not given.

    `text` may be the address of a key elsewhere (find_wrapping_provider). `vault_token` and `pin` open that place.
    `remembered` has the data keys that it has opened for this process and its workers.
    """

    text: str = ""
    file: str = ""
    vault_token: str = ""
    pin: str = ""
    remembered: dict[bytes, bytes] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return "<secret>"


def find_wrapping_provider(
    address: Address, keys: "MasterKeySource", *, store_is_empty: bool, entropy: Entropy = os.urandom
) -> "WrappingProvider":
    """Return the provider of the settings.

    It is not asked yet. A provider elsewhere is asked once for each data key: later answers come from memory. Raises
    MasterKeyMissingError or StoreOpenError.
    """
    text = keys.text.strip()
    if not is_elsewhere(text):
        file = Path(keys.file) if keys.file else None
        return find_master_key(
            address, text=keys.text or None, file=file, store_is_empty=store_is_empty, entropy=entropy
        )
    if keys.file:
        raise StoreOpenError("DAYPASS_MASTER_KEY and DAYPASS_MASTER_KEY_FILE are both set; set one of them")
    from daypass.storage.wrapping.provider import RememberingProvider

    return RememberingProvider(_find_elsewhere(text, keys), keys.remembered)


def is_elsewhere(text: str) -> bool:
    """Return whether a value of DAYPASS_MASTER_KEY is an address.

    An address is not a secret.
    """
    return text.startswith((_VAULT, _PKCS11))


def _find_elsewhere(text: str, keys: "MasterKeySource") -> "WrappingProvider":
    # Most processes have the key itself, and need neither module.
    if text.startswith(_VAULT):
        from daypass.storage.wrapping.transit import TransitKey
        from daypass.storage.wrapping.transit_address import parse_transit_address

        return TransitKey(parse_transit_address(text), keys.vault_token)
    from daypass.storage.wrapping.pkcs11_address import parse_pkcs11_address
    from daypass.storage.wrapping.pkcs11_token import Pkcs11Key

    return Pkcs11Key(parse_pkcs11_address(text), keys.pin)
