"""The vault: secrets at rest, sealed under the store's data key.

Owns the format of a sealed secret, and the record with the data key, wrapped under the master key. That record detects
a wrong master key, and is the only one to be sealed again when the master key changes. Leaves the source of the master
key to master_key.py.

A sealed secret is: version (1 byte), salt (16 bytes), AES-256-GCM of the secret. HKDF derives key and nonce from the
data key and the salt, so that no number of secrets gets near a nonce's bounds. The owner is authenticated too: a secret
moved to another owner does not open.
"""

import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daypass.directory.secret_box import SecretDecryptionError
from daypass.directory.store import Reader, Record, Store, Writer
from daypass.mint.key_ring import FindKey, find_no_key
from daypass.ports import Entropy
from daypass.storage.master_key import KEY_BYTES, MasterKey
from daypass.storage.refusals import StoreOpenError, WrongMasterKeyError

_VERSION = b"\x01"
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SECRETS = b"daypass vault secret v1"
_DATA_KEY = b"daypass vault data key v1"

_KIND, _KEY = "vault", "data-key"


class Vault:
    """Seal and open secrets.

    Safe for threads; one call costs some twenty microseconds. `find_sealing_key` finds a sealing key that is missing in
    the ring that was read with this vault.
    """

    __slots__ = ("_entropy", "_key", "find_sealing_key")

    def __init__(self, key: bytes, *, entropy: Entropy = os.urandom) -> None:
        self._key = key
        self._entropy = entropy
        self.find_sealing_key: FindKey[Any] = find_no_key

    def __repr__(self) -> str:
        return "<secret>"

    def reveal_data_key(self) -> bytes:
        """Return the data key, for the encrypted content of a backup."""
        return self._key

    def asking(self, find_sealing_key: FindKey[Any]) -> "Vault":
        """Return a vault with the same key that asks for unknown sealing keys."""
        vault = Vault(self._key, entropy=self._entropy)
        vault.find_sealing_key = find_sealing_key
        return vault

    def encrypt(self, plaintext: bytes, /, *, bound_to: str) -> bytes:
        """Return the sealed form; only the same `bound_to` opens it."""
        salt = self._entropy(_SALT_BYTES)
        return _VERSION + salt + _seal(self._key, salt, _SECRETS, plaintext, bound_to)

    def decrypt(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Return the plaintext, or raise SecretDecryptionError."""
        try:
            return _open(self._key, _SECRETS, sealed, bound_to)
        except InvalidTag as error:
            raise SecretDecryptionError(f"the sealed secret of {bound_to} does not open") from error


def open_vault(store: Store, master_key: MasterKey, *, entropy: Entropy = os.urandom) -> Vault:
    """Return the store's vault, or raise WrongMasterKeyError.

    An empty store gets its data key now.
    """
    with store.read() as reader:
        record = _find(reader)
    if record is None:
        with store.write() as writer:
            record = _find(writer) or _make(writer, master_key, entropy)  # another process may have been first
    return Vault(_unwrap(record, master_key), entropy=entropy)


def rewrap(store: Store, *, old: MasterKey, new: MasterKey, entropy: Entropy = os.urandom) -> None:
    """Wrap the data key under another master key.

    Open vaults continue to work; secrets stay unchanged. If an attacker has the old master key and a copy of the store,
    the secrets themselves must be replaced.
    """
    with store.write() as writer:
        record = _find(writer)
        if record is None:
            raise StoreOpenError("the store has no secrets yet, so its master key cannot be changed")
        writer.replace(_wrap(_unwrap(record, old), new, entropy))


def wrapped_record(data_key: bytes, master_key: MasterKey, *, entropy: Entropy = os.urandom) -> Record:
    """Return the record of a restored store's data key."""
    return _wrap(data_key, master_key, entropy)


def is_data_key(kind: str, key: str) -> bool:
    """Return whether these names are those of the wrapped data key."""
    return (kind, key) == (_KIND, _KEY)


def _find(reader: Reader) -> Record | None:
    return reader.find(_KIND, "", _KEY)


def _make(writer: Writer, master_key: MasterKey, entropy: Entropy) -> Record:
    record = _wrap(entropy(KEY_BYTES), master_key, entropy)
    writer.insert(record)
    return record


def _wrap(data_key: bytes, master_key: MasterKey, entropy: Entropy) -> Record:
    salt = entropy(_SALT_BYTES)
    body = _VERSION + salt + _seal(master_key.reveal(), salt, _DATA_KEY, data_key, _KEY)
    return Record(kind=_KIND, account="", key=_KEY, sort=_KEY, body=body)


def _unwrap(record: Record, master_key: MasterKey) -> bytes:
    try:
        return _open(master_key.reveal(), _DATA_KEY, record.body, _KEY)
    except (InvalidTag, SecretDecryptionError) as error:
        raise WrongMasterKeyError("the master key does not open this store; it was created with another one") from error


def _seal(key: bytes, salt: bytes, purpose: bytes, plaintext: bytes, bound_to: str) -> bytes:
    cipher, nonce = _cipher(key, salt, purpose)
    return cipher.encrypt(nonce, plaintext, bound_to.encode())


def _open(key: bytes, purpose: bytes, sealed: bytes, bound_to: str) -> bytes:
    version, salt, ciphertext = sealed[:1], sealed[1 : 1 + _SALT_BYTES], sealed[1 + _SALT_BYTES :]
    if version != _VERSION or len(ciphertext) < _TAG_BYTES:
        raise SecretDecryptionError("the sealed secret has a format that this version does not support")
    cipher, nonce = _cipher(key, salt, purpose)
    return cipher.decrypt(nonce, ciphertext, bound_to.encode())


def _cipher(key: bytes, salt: bytes, purpose: bytes) -> tuple[AESGCM, bytes]:
    """Return the cipher and nonce of one salt and one purpose only."""
    derived = HKDF(SHA256(), KEY_BYTES + _NONCE_BYTES, salt, purpose).derive(key)
    return AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]
