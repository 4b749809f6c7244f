"""The steps that rotate a master key or a data key while servers run.

Owns the steps and their order. Each is one transaction, and may be repeated after a crash:

- A new master key: `add_master_key` stores the wrappings of the new key beside those of the old one, so that servers
  with either start. `finish_master_key` removes the old ones.
- A new data key: `add_data_key` publishes it. Servers seal with it as soon as they see it, within about a second.
  `reseal_secrets` seals every older secret again. `finish_data_key` removes the old key. It needs a snapshot without
  older secrets, GRACE_SECONDS after the publication and after the last pass that found one: by then no server seals
  with the old key, or writes an entity that it read before.

A provider is asked outside of transactions, because other writers wait for them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from daypass.counted import counted
from daypass.directory import records
from daypass.directory.entities.iam_entities import Entity
from daypass.directory.sealed_secrets import SEALED, change_secrets, sealed_secrets
from daypass.directory.store import Store, Writer
from daypass.ports import Entropy
from daypass.storage.data_keys import FIRST, DataKeys, id_of
from daypass.storage.keyring import LOCAL, StoredKeyring, load_keyring, save_keyring, unlock, unwrap_all, wrap_all
from daypass.storage.refusals import StoreOpenError, WrongMasterKeyError
from daypass.storage.sealed_form import KEY_BYTES
from daypass.storage.vault import Vault, sealed_under
from daypass.storage.wrapping.provider import WrappingProvider

GRACE_SECONDS = 60
"""The time from the last older secret until the old data key may be removed."""
_BATCH = 50  # records in a transaction: other writers wait for a few milliseconds


class RotationError(StoreOpenError):
    """The step does not fit the state of the store.

    The message says which one does.
    """


@dataclass(slots=True)
class ResealCount:
    """The secrets that a pass has seen.

    `older` are those that it sealed again, or would seal again.
    """

    seen: int = 0
    older: int = 0


def get_keyring(store: Store) -> StoredKeyring:
    """Return the keyring, or raise RotationError in an empty store."""
    with store.read() as reader:
        keyring = load_keyring(reader)
    if keyring is None:
        raise RotationError("the store is empty: start `daypass serve` first, which creates its keys")
    return keyring


def add_master_key(store: Store, old: WrappingProvider, new: WrappingProvider) -> StoredKeyring:
    """Let a new master key open the store beside the old one."""
    keyring = get_keyring(store)
    keys = unlock(keyring, old)
    if keyring.next:
        _require_same(keyring, new)
        return keyring
    _require_one_data_key(keyring)
    if _opens(keyring, new):
        if new.scheme != LOCAL:  # its newest version is another key
            return _change(store, keyring, msgspec.structs.replace(keyring, wrappings=wrap_all(keys, new)))
        raise RotationError("the new master key is the present one: make another one")
    return _change(store, keyring, msgspec.structs.replace(keyring, next=wrap_all(keys, new)))


def finish_master_key(store: Store, new: WrappingProvider) -> StoredKeyring:
    """Let the new master key alone open the store."""
    keyring = get_keyring(store)
    if not keyring.next:
        return keyring
    try:
        unlock(msgspec.structs.replace(keyring, wrappings=keyring.next, next=()), new)
    except WrongMasterKeyError:
        raise RotationError(
            "this is not the new master key: set DAYPASS_MASTER_KEY or DAYPASS_MASTER_KEY_FILE to the new one on every "
            "node, restart the nodes, and repeat the command with the new one"
        ) from None
    return _change(store, keyring, msgspec.structs.replace(keyring, wrappings=keyring.next, next=()))


def cancel_master_key(store: Store, old: WrappingProvider) -> StoredKeyring:
    """Forget the new master key of a rotation that was not finished."""
    keyring = get_keyring(store)
    if not keyring.next:
        raise RotationError("no rotation of the master key is under way")
    try:
        unlock(msgspec.structs.replace(keyring, next=()), old)
    except WrongMasterKeyError:
        raise RotationError("this is the new master key: cancel with the old one") from None
    return _change(store, keyring, msgspec.structs.replace(keyring, next=()))


def add_data_key(store: Store, provider: WrappingProvider, entropy: Entropy, *, now: int) -> StoredKeyring:
    """Publish a new data key.

    Returns the keyring unchanged if the previous rotation is not finished.
    """
    keyring = get_keyring(store)
    if keyring.next:
        raise RotationError("a rotation of the master key is under way: finish it first, with --finish")
    if len(keyring.wrappings) > 1:
        return keyring
    keys = unlock(keyring, provider)
    made = entropy(KEY_BYTES)
    added = DataKeys({**keys.by_id, id_of(made): made}, id_of(made))
    published = StoredKeyring(current=added.current, since=now, wrappings=wrap_all(added, provider))
    return _change(store, keyring, published)


def reseal_secrets(
    store: Store, vault: Vault, report: Callable[[ResealCount], None], *, now: Callable[[], int]
) -> ResealCount:
    """Seal each older secret again.

    Return the count of one pass over the store.
    """
    current = get_keyring(store).current
    count = ResealCount()
    for type_, batch in _batches(store):
        older = [entity for entity in batch if _older(entity, current, count)]
        if older:
            with store.write() as writer:
                for entity in older:
                    _reseal(writer, type_, entity, vault, current)
        report(count)
    keyring = get_keyring(store)
    if count.older and len(keyring.wrappings) > 1:
        _change(store, keyring, msgspec.structs.replace(keyring, since=now()))
    return count


def count_secrets(store: Store) -> ResealCount:
    """Count the secrets of one snapshot, and the older ones among them."""
    count = ResealCount()
    with store.read() as reader:
        keyring = load_keyring(reader)
        for type_ in SEALED if keyring is not None else ():
            for entity in records.each(reader, type_, None):
                _older(entity, FIRST if keyring is None else keyring.current, count)
    return count


def finish_data_key(store: Store, provider: WrappingProvider, *, now: int) -> StoredKeyring:
    """Remove the old data key.

    Raises RotationError if a secret may still be under it.
    """
    keyring = get_keyring(store)
    if len(keyring.wrappings) == 1:
        return keyring
    left = seconds_left(keyring, now)
    if left:
        raise RotationError(f"a server may still use the old data key: repeat the command in {left} seconds")
    older = count_secrets(store).older
    if older:
        raise RotationError(
            f"the old data key still encrypts {counted(older, 'secret')}: repeat the command without --finish"
        )
    kept = tuple(each for each in keyring.wrappings if each.data_key == keyring.current)
    unwrap_all(kept, provider)
    return _change(store, keyring, msgspec.structs.replace(keyring, wrappings=kept))


def seconds_left(keyring: StoredKeyring, now: int) -> int:
    """Return the seconds until the old data key may be removed."""
    return max(0, keyring.since + GRACE_SECONDS - now)


def _change(store: Store, seen: StoredKeyring, wanted: StoredKeyring) -> StoredKeyring:
    with store.write() as writer:
        if load_keyring(writer) != seen:
            raise RotationError("another command changed the keys meanwhile: repeat the command")
        save_keyring(writer, wanted)
    return wanted


def _require_one_data_key(keyring: StoredKeyring) -> None:
    if len(keyring.wrappings) > 1:
        raise RotationError("a rotation of the data key is under way: finish it first, with --finish")


def _require_same(keyring: StoredKeyring, new: WrappingProvider) -> None:
    if not _opens(msgspec.structs.replace(keyring, wrappings=keyring.next, next=()), new):
        raise RotationError(
            "a rotation to another master key is under way: finish it with --finish, or forget it with --cancel"
        )


def _opens(keyring: StoredKeyring, provider: WrappingProvider) -> bool:
    try:
        unlock(keyring, provider)
    except WrongMasterKeyError:
        return False
    return True


def _batches(store: Store) -> Iterator[tuple[type[Entity], list[Entity]]]:
    """Yield the entities with secrets, a page of each type at a time, each from a fresh snapshot."""
    for type_ in SEALED:
        after = ""
        while True:
            with store.read() as reader:
                page = reader.page(records.kind_name(type_), None, after=after, limit=_BATCH)
            yield type_, [records.to_entity(type_, record) for record in page]
            if len(page) < _BATCH:
                break
            after = page[-1].place


def _older(entity: Entity, current: bytes, count: ResealCount) -> bool:
    found = [sealed_under(sealed) for _, sealed in sealed_secrets(entity)]
    older = sum(key_id != current for key_id in found)
    count.seen += len(found)
    count.older += older
    return older > 0


def _reseal(writer: Writer, type_: type[Entity], entity: Entity, vault: Vault, current: bytes) -> None:
    """Seal the secrets of an entity again, as it is now: it may have changed or gone since it was listed."""
    listed = records.to_record(entity)
    found = writer.find(listed.kind, listed.account, listed.key)
    if found is None:
        return

    def change(sealed: bytes, bound_to: str) -> bytes:
        if sealed_under(sealed) == current:
            return sealed
        return vault.encrypt(vault.decrypt(sealed, bound_to=bound_to), bound_to=bound_to)

    before = records.to_entity(type_, found)
    after = change_secrets(before, change)
    if after != before:
        records.replace(writer, after)
