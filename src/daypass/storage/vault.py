"""The vault: secrets at rest, sealed under the store's data keys.

Owns the two forms of a sealed secret, and the data keys that this process knows. Leaves the wrapped data keys to
keyring.py, and the source of the master key to master_key.py and wrapping/.

- Version 1: sealed_form.py under the first data key. Version 0.1.0 reads it alone.
- Version 2: the id of a data key (8 bytes), then the same under that key. Secrets have it after the data key was
  rotated.

A process learns a new data key from the store: before it seals a secret, and when it meets a secret of an unknown key.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag

from daypass.directory.secret_box import SecretDecryptionError
from daypass.directory.store import Reader, Record, Store, StoreUnavailableError, WouldBlockError
from daypass.mint.key_ring import FindKey, find_no_key
from daypass.ports import Entropy
from daypass.storage.data_keys import FIRST, ID_BYTES, DataKeys
from daypass.storage.keyring import StoredKeyring, keyring_records, load_keyring, save_keyring, unlock, wrap_all
from daypass.storage.loop_reads import is_on_event_loop
from daypass.storage.refusals import StoreOpenError
from daypass.storage.sealed_form import KEY_BYTES, open_bytes, seal_bytes, unsupported_form

if TYPE_CHECKING:
    from daypass.storage.wrapping.provider import WrappingProvider

_FIRST_FORM, _LATER_FORM = b"\x01", b"\x02"
_FIRST_PURPOSE, _LATER_PURPOSE = b"daypass vault secret v1", b"daypass vault secret v2"
_REREAD_SECONDS = 1.0  # how long a process without a cache relies on the keyring that it read
_PAUSE_SECONDS = 5.0  # between two questions to a master key that does not answer

ReadKeyring = Callable[[], StoredKeyring | None]


class KnownKeys:
    """The data keys that this process knows, and the way to learn others.

    Safe for threads.
    """

    def __init__(self, store: Store, provider: "WrappingProvider", keyring: StoredKeyring, keys: DataKeys) -> None:
        self._store = store
        self._provider = provider
        self._seen: StoredKeyring | None = keyring
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._read_at = time.monotonic()
        self.keys = keys

    def __repr__(self) -> str:
        return "<secret>"

    def follow(self, read: ReadKeyring | None) -> DataKeys:
        """Return the keys of the present keyring, as `read` or the store says.

        A keyring from the store counts for a second. Raises WouldBlockError on an event loop if a key is unknown.
        """
        keyring = self._read_sometimes() if read is None else read()
        if keyring is not None and keyring is not self._seen and keyring != self._seen:
            self._learn(keyring)
            with self._lock:
                self.keys = DataKeys(self.keys.by_id, keyring.current)
            self._seen = keyring
        return self.keys

    def find(self, key_id: bytes) -> bytes | None:
        """Return the data key of an id, or None if the store does not have it.

        Raises WouldBlockError on an event loop if it is unknown, and StoreUnavailableError if the master key does not
        answer.
        """
        known = self.keys.by_id.get(key_id)
        if known is not None:
            return known
        if is_on_event_loop():
            raise WouldBlockError
        keyring = self._read()
        if keyring is not None and any(each.data_key == key_id for each in keyring.wrappings):
            self._learn(keyring)
        return self.keys.by_id.get(key_id)

    def _read_sometimes(self) -> StoredKeyring | None:
        now = time.monotonic()
        if now - self._read_at < _REREAD_SECONDS:
            return self._seen
        keyring = self._read()
        self._read_at = now
        return keyring

    def _read(self) -> StoredKeyring | None:
        try:
            with self._store.read() as reader:
                return load_keyring(reader)
        except StoreOpenError as error:
            raise _unreadable(error) from error

    def _learn(self, keyring: StoredKeyring) -> None:
        """Add the unknown keys of a keyring.

        One thread at a time asks the provider.
        """
        wanted = {each.data_key for each in keyring.wrappings}
        if wanted <= self.keys.by_id.keys():
            return
        if is_on_event_loop():
            raise WouldBlockError
        with self._lock:
            if wanted <= self.keys.by_id.keys():
                return
            if time.monotonic() < self._paused_until:
                raise StoreUnavailableError("the master key did not open a new data key a moment ago")
            try:
                found = unlock(keyring, self._provider)
            except StoreOpenError as error:
                self._paused_until = time.monotonic() + _PAUSE_SECONDS
                raise StoreUnavailableError(f"a new data key cannot be opened: {error}") from error
            # Known keys stay: a secret that was read before may be sealed under them.
            self.keys = DataKeys({**self.keys.by_id, **found.by_id}, self.keys.current)


class FixedKeys:
    """Data keys that never change."""

    def __init__(self, keys: DataKeys) -> None:
        self.keys = keys

    def __repr__(self) -> str:
        return "<secret>"

    def follow(self, read: ReadKeyring | None) -> DataKeys:  # noqa: ARG002 - the signature of KnownKeys
        """Return the keys."""
        return self.keys

    def find(self, key_id: bytes) -> bytes | None:
        """Return the key of an id, or None."""
        return self.keys.by_id.get(key_id)


class Vault:
    """Seal and open secrets.

    Safe for threads; one call costs some twenty microseconds. `find_sealing_key` finds a sealing key that is missing in
    the ring that was read with this vault. A vault of bytes has one data key for ever.
    """

    __slots__ = ("_entropy", "_known", "_read_keyring", "find_sealing_key")

    def __init__(self, known: bytes | KnownKeys | FixedKeys, *, entropy: Entropy = os.urandom) -> None:
        self._known = FixedKeys(DataKeys({FIRST: known})) if isinstance(known, bytes) else known
        self._entropy = entropy
        self._read_keyring: ReadKeyring | None = None
        self.find_sealing_key: FindKey[Any] = find_no_key

    def __repr__(self) -> str:
        return "<secret>"

    def asking(self, find_sealing_key: FindKey[Any], read_keyring: ReadKeyring | None = None) -> "Vault":
        """Return a vault with the same keys that asks for unknown sealing keys.

        `read_keyring` returns the present keyring, for instance from a cache.
        """
        vault = Vault(self._known, entropy=self._entropy)
        vault.find_sealing_key = find_sealing_key
        vault._read_keyring = read_keyring
        return vault

    def encrypt(self, plaintext: bytes, /, *, bound_to: str) -> bytes:
        """Return the sealed form; only the same `bound_to` opens it."""
        keys = self._known.follow(self._read_keyring)
        key = keys.by_id[keys.current]
        if keys.current == FIRST:
            return _FIRST_FORM + seal_bytes(key, _FIRST_PURPOSE, plaintext, bound_to, self._entropy)
        return _LATER_FORM + keys.current + seal_bytes(key, _LATER_PURPOSE, plaintext, bound_to, self._entropy)

    def decrypt(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Return the plaintext, or raise SecretDecryptionError."""
        key_id, purpose, rest = _taken_apart(sealed)
        key = self._known.find(key_id)
        if key is None:
            raise SecretDecryptionError(f"the sealed secret of {bound_to} is under a data key that the store lacks")
        try:
            return open_bytes(key, purpose, rest, bound_to)
        except InvalidTag as error:
            raise SecretDecryptionError(f"the sealed secret of {bound_to} does not open") from error

    def data_keys(self, reader: Reader | None = None) -> DataKeys:
        """Return the data keys of a snapshot, or the present ones.

        They are for the encrypted content of a backup.
        """
        return self._known.follow(self._read_keyring if reader is None else partial(load_keyring, reader))


def _unreadable(error: StoreOpenError) -> StoreUnavailableError:
    return StoreUnavailableError(f"the keyring cannot be read: {error}")


def sealed_under(sealed: bytes) -> bytes:
    """Return the id of the data key of a sealed secret.

    Raises SecretDecryptionError.
    """
    return _taken_apart(sealed)[0]


def _taken_apart(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the id of the data key, the purpose, and the rest of a sealed secret."""
    form = sealed[:1]
    if form == _FIRST_FORM:
        return FIRST, _FIRST_PURPOSE, sealed[1:]
    if form == _LATER_FORM and len(sealed) > ID_BYTES:
        return sealed[1 : 1 + ID_BYTES], _LATER_PURPOSE, sealed[1 + ID_BYTES :]
    raise unsupported_form()


def open_vault(store: Store, provider: "WrappingProvider", *, entropy: Entropy = os.urandom) -> Vault:
    """Return the store's vault, or raise WrongMasterKeyError.

    An empty store gets its data key now.
    """
    with store.read() as reader:
        keyring = load_keyring(reader)
    if keyring is None:
        keyring = _make_keyring(store, provider, entropy)
    return Vault(KnownKeys(store, provider, keyring, unlock(keyring, provider)), entropy=entropy)


def adopted_records(keys: DataKeys, provider: "WrappingProvider") -> tuple[Record, ...]:
    """Return the records of the data keys in a restored store.

    They are wrapped under this store's master key.
    """
    return keyring_records(StoredKeyring(current=keys.current, wrappings=wrap_all(keys, provider)))


def _make_keyring(store: Store, provider: "WrappingProvider", entropy: Entropy) -> StoredKeyring:
    # Outside of the transaction: a provider elsewhere may be slow.
    made = StoredKeyring(wrappings=wrap_all(DataKeys({FIRST: entropy(KEY_BYTES)}), provider))
    with store.write() as writer:
        found = load_keyring(writer)  # another process may have been first
        if found is None:
            save_keyring(writer, made)
    return found or made
