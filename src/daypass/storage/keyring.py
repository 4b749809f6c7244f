"""The keyring: the wrapped data keys of a store, as records.

Owns the two records and their rules:

- The record `data-key` has the form of version 0.1.0 while that can express the keyring: one data key, the first one,
  wrapped under a local master key. Otherwise it has a form that 0.1.0 refuses as a wrong master key.
- The record `keyring` exists if the first one is not enough: while a rotation is under way, with a master key
  elsewhere, and after a rotation of the data key.
- During a rotation of the master key, the old and the new one open the store: `next` has the wrappings of the new one.

Leaves wrapping to the providers, and the steps of rotations to rotation.py.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from daypass.directory.store import Reader, Record, Writer
from daypass.storage.data_keys import FIRST, DataKeys, has_id
from daypass.storage.refusals import StoreOpenError, WrongMasterKeyError

if TYPE_CHECKING:
    from daypass.storage.wrapping.provider import WrappingProvider

LOCAL = "key"
"""The scheme of a master key as text or in a file, the only one that version 0.1.0 knows."""
_KIND, _OLD, _NEW = "vault", "data-key", "keyring"
_OLD_FORM = b"\x01"
_WRAPPED_MOST = 16_384  # bytes of a wrapped data key
_REFUSED_BY_OLD = b"\x02 see the record keyring"


class StoredWrapping(msgspec.Struct, frozen=True, kw_only=True):
    """A data key, encrypted by a provider. `name` is the provider's."""

    data_key: bytes
    scheme: str
    name: str = ""
    wrapped: bytes


class StoredKeyring(msgspec.Struct, frozen=True, kw_only=True):
    """The wrapped data keys.

    `current` is the id of the key that seals new secrets, `since` the time of its publication in seconds since 1970, or
    0 for the first one. `next` are the wrappings of a new master key.
    """

    current: bytes = FIRST
    since: int = 0
    wrappings: tuple[StoredWrapping, ...] = ()
    next: tuple[StoredWrapping, ...] = ()


def load_keyring(reader: Reader) -> StoredKeyring | None:
    """Return the keyring, or None in an empty store.

    Raises StoreOpenError if it is damaged.
    """
    old, new = reader.find(_KIND, "", _OLD), reader.find(_KIND, "", _NEW)
    if old is None and new is None:
        return None
    found = StoredKeyring()
    if new is not None:
        try:
            found = msgspec.json.decode(new.body, type=StoredKeyring)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreOpenError("the store's data keys are damaged, or were written by a newer version") from error
    if found.wrappings:
        return found
    if old is None or not old.body.startswith(_OLD_FORM):
        raise WrongMasterKeyError("the data key of this store is damaged, or was written by a newer version")
    first = StoredWrapping(data_key=FIRST, scheme=LOCAL, wrapped=old.body)
    return msgspec.structs.replace(found, wrappings=(first,))


def save_keyring(writer: Writer, keyring: StoredKeyring) -> None:
    """Replace the records of the keyring."""
    wanted = {record.key: record for record in keyring_records(keyring)}
    for key in (_OLD, _NEW):
        found, record = writer.find(_KIND, "", key), wanted.get(key)
        if record is None:
            if found is not None:
                writer.delete(_KIND, "", key)
        elif found is None:
            writer.insert(record)
        elif found != record:
            writer.replace(record)


def keyring_records(keyring: StoredKeyring) -> tuple[Record, ...]:
    """Return the records, in the form of version 0.1.0 as far as possible."""
    only = keyring.wrappings[0]
    is_old = len(keyring.wrappings) == 1 and only.data_key == FIRST and only.scheme == LOCAL
    old = _record(_OLD, only.wrapped if is_old else _REFUSED_BY_OLD)
    if is_old and not keyring.next:
        return (old,)
    stored = msgspec.structs.replace(keyring, wrappings=()) if is_old else keyring
    return (old, _record(_NEW, msgspec.json.encode(stored)))


def is_keyring_record(kind: str) -> bool:
    """Return whether this kind is that of the wrapped data keys."""
    return kind == _KIND


def unlock(keyring: StoredKeyring, provider: "WrappingProvider") -> DataKeys:
    """Return the data keys.

    Raises WrongMasterKeyError if the provider opens neither set of wrappings.
    """
    sets = [each for each in (keyring.wrappings, keyring.next) if each and each[0].scheme == provider.scheme]
    if not sets:
        raise WrongMasterKeyError(_other_provider(keyring))
    # The set of this name comes first: the other one may cost a call that its provider refuses.
    sets.sort(key=lambda each: each[0].name != provider.name)
    for wrappings in sets[:-1]:
        try:
            return DataKeys(unwrap_all(wrappings, provider), keyring.current)
        except WrongMasterKeyError:
            continue
    return DataKeys(unwrap_all(sets[-1], provider), keyring.current)


def unwrap_all(wrappings: Iterable[StoredWrapping], provider: "WrappingProvider") -> dict[bytes, bytes]:
    """Return the data keys of wrappings by id, or raise WrongMasterKeyError."""
    keys = {each.data_key: provider.unwrap(each.wrapped) for each in wrappings}
    if any(not has_id(key, key_id) for key_id, key in keys.items()):
        raise WrongMasterKeyError("the master key opens a data key that is not this store's")
    return keys


def wrap_all(keys: DataKeys, provider: "WrappingProvider") -> tuple[StoredWrapping, ...]:
    """Return a wrapping of each data key, the current one last.

    Each is opened again before it counts.
    """
    ids = sorted(keys.by_id, key=lambda key_id: (key_id == keys.current, key_id))
    return tuple(_wrap(key_id, keys.by_id[key_id], provider) for key_id in ids)


def _wrap(key_id: bytes, key: bytes, provider: "WrappingProvider") -> StoredWrapping:
    wrapped = provider.wrap(key)
    # A provider that cannot give the key back must not become the only one that has it.
    if len(wrapped) > _WRAPPED_MOST or provider.unwrap(wrapped) != key:
        raise StoreOpenError(f"{provider.name} does not return the data key that it encrypted; use another key")
    name = "" if provider.scheme == LOCAL else provider.name
    return StoredWrapping(data_key=key_id, scheme=provider.scheme, name=name, wrapped=wrapped)


def _record(key: str, body: bytes) -> Record:
    return Record(kind=_KIND, account="", key=key, sort=key, body=body)


def _other_provider(keyring: StoredKeyring) -> str:
    wrapping = keyring.wrappings[0]
    if wrapping.scheme == LOCAL:
        return "the store was created with a key as the master key: set DAYPASS_MASTER_KEY or DAYPASS_MASTER_KEY_FILE"
    return f"the master key of this store is {wrapping.name}: set DAYPASS_MASTER_KEY to it"
