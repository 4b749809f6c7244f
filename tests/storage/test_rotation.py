"""Rotations of the master key and of the data key, step by step, on every store."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import msgspec
import pytest
from tests.storage.conftest import HandClock

from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey, Entity
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.sealed_secrets import SEALED, sealed_secrets
from daypass.directory.secret_box import SecretDecryptionError
from daypass.directory.store import Store
from daypass.storage.data_keys import DataKeys
from daypass.storage.keyring import load_keyring
from daypass.storage.master_key import MasterKey
from daypass.storage.memory import MemoryStore
from daypass.storage.refusals import StoreOpenError, WrongMasterKeyError
from daypass.storage.rotation import (
    GRACE_SECONDS,
    RotationError,
    add_data_key,
    add_master_key,
    cancel_master_key,
    count_secrets,
    finish_data_key,
    finish_master_key,
    reseal_secrets,
)
from daypass.storage.vault import Vault, adopted_records, open_vault, sealed_under


@pytest.fixture
def memory_store(clock: HandClock) -> MemoryStore:
    """Return a store without a database: the steps are the same in every store."""
    return MemoryStore(clock)


OLD, NEW, OTHER = MasterKey(b"o" * 32), MasterKey(b"n" * 32), MasterKey(b"x" * 32)
NOW = 1_800_000_000
ACCOUNT = "111122223333"


def access_key(vault: Vault, number: int = 1) -> AccessKey:
    """Return a key with a sealed secret."""
    key_id = f"AKIA{number:016d}"
    sealed = vault.encrypt(b"secret", bound_to=key_id)
    return AccessKey(id=key_id, account=ACCOUNT, owner=ACCOUNT, sealed_secret=sealed, created=datetime.now(UTC))


def add(store: Store, entity: Entity) -> None:
    """Store an entity."""
    with store.write() as writer:
        records.insert(writer, entity)


def opened(store: Store, vault: Vault) -> list[bytes]:
    """Return the secrets of all access keys."""
    with store.read() as reader:
        keys = list(records.each(reader, AccessKey, None))
    return [vault.decrypt(key.sealed_secret, bound_to=key.id) for key in keys]


def rotate_data_key(store: Store, vault: Vault, *, at: int = NOW) -> None:
    """Publish a data key and seal everything again."""
    add_data_key(store, OLD, os.urandom, now=at)
    reseal_secrets(store, again(store, vault), lambda _: None, now=lambda: at)


def again(store: Store, _: Vault) -> Vault:
    """Open the vault as a new process does."""
    return open_vault(store, OLD)


def test_both_master_keys_open_the_store_until_the_rotation_is_finished(store: Store) -> None:
    """A node with either configuration starts meanwhile; a third key never does."""
    sealed = open_vault(store, OLD).encrypt(b"secret", bound_to="a")
    add_master_key(store, OLD, NEW)
    for key in (OLD, NEW):
        assert open_vault(store, key).decrypt(sealed, bound_to="a") == b"secret"
    with pytest.raises(WrongMasterKeyError):
        open_vault(store, OTHER)
    finish_master_key(store, NEW)
    assert open_vault(store, NEW).decrypt(sealed, bound_to="a") == b"secret"
    with pytest.raises(WrongMasterKeyError):
        open_vault(store, OLD)


def test_a_repeated_step_changes_nothing(memory_store: MemoryStore) -> None:
    """A command that was killed after its write is repeated."""
    open_vault(memory_store, OLD)
    steps = (partial(add_master_key, memory_store, OLD, NEW), partial(finish_master_key, memory_store, NEW))
    for step in steps:
        step()
        revision = memory_store.revision()
        step()
        assert memory_store.revision() == revision


def test_version_0_1_0_reads_the_old_record_until_the_end(memory_store: MemoryStore) -> None:
    """The record `data-key` is under the old key first, then under the new one, in the form of that version."""
    open_vault(memory_store, OLD)

    def record() -> bytes:
        with memory_store.read() as reader:
            found = reader.find("vault", "", "data-key")
        assert found is not None
        return found.body

    data_key = OLD.unwrap(record())
    add_master_key(memory_store, OLD, NEW)
    assert OLD.unwrap(record()) == data_key
    finish_master_key(memory_store, NEW)
    assert NEW.unwrap(record()) == data_key
    with memory_store.read() as reader:
        assert reader.find("vault", "", "keyring") is None


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda store: add_master_key(store, OTHER, NEW), "does not open this store"),
        (lambda store: add_master_key(store, OLD, OLD), "the present one"),
        (lambda store: add_master_key(store, OLD, OTHER), "to another master key is under way"),
        (lambda store: finish_master_key(store, OLD), "not the new master key"),
        (lambda store: finish_master_key(store, OTHER), "not the new master key"),
        (lambda store: cancel_master_key(store, NEW), "cancel with the old one"),
        (lambda store: add_data_key(store, OLD, os.urandom, now=NOW), "finish it first"),
    ],
    ids=["wrong old key", "same key", "third key", "finish with old", "finish with third", "cancel", "data key"],
)
def test_a_wrong_key_or_step_changes_nothing(
    memory_store: MemoryStore, step: Callable[[Store], object], message: str
) -> None:
    """It is refused with the way out."""
    open_vault(memory_store, OLD)
    if message not in {"does not open this store", "the present one"}:
        add_master_key(memory_store, OLD, NEW)
    revision = memory_store.revision()
    with pytest.raises(StoreOpenError, match=message):
        step(memory_store)
    assert memory_store.revision() == revision


def test_a_rotation_can_be_cancelled(memory_store: MemoryStore) -> None:
    """Then the old key alone opens the store, and a rotation to a third one may begin."""
    open_vault(memory_store, OLD)
    add_master_key(memory_store, OLD, NEW)
    cancel_master_key(memory_store, OLD)
    with pytest.raises(WrongMasterKeyError):
        open_vault(memory_store, NEW)
    with pytest.raises(RotationError, match="no rotation"):
        cancel_master_key(memory_store, OLD)
    add_master_key(memory_store, OLD, OTHER)


def test_an_empty_store_has_no_keys_to_rotate(memory_store: MemoryStore) -> None:
    """It says how they are made."""
    with pytest.raises(RotationError, match="daypass serve"):
        add_master_key(memory_store, OLD, NEW)


def test_a_new_data_key_seals_every_secret_again(store: Store) -> None:
    """The old key is removed after the grace, and then opens no secret."""
    vault = open_vault(store, OLD)
    for number in range(55):  # two batches
        add(store, access_key(vault, number))
    before = vault.data_keys()
    rotate_data_key(store, vault)
    assert count_secrets(store).older == 0
    assert opened(store, again(store, vault)) == [b"secret"] * 55
    with pytest.raises(RotationError, match="repeat the command in 1 seconds"):
        finish_data_key(store, OLD, now=NOW + GRACE_SECONDS - 1)
    finish_data_key(store, OLD, now=NOW + GRACE_SECONDS)
    assert opened(store, again(store, vault)) == [b"secret"] * 55
    with pytest.raises(SecretDecryptionError, match="that the store lacks"):
        opened(store, Vault(before.by_id[b""]))


def test_open_vaults_learn_the_new_data_key(memory_store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started before reads secrets of the new key, and seals with it after a second."""
    vault = open_vault(memory_store, OLD)
    add(memory_store, access_key(vault))
    rotate_data_key(memory_store, vault)
    assert opened(memory_store, vault) == [b"secret"]
    monkeypatch.setattr("daypass.storage.vault._REREAD_SECONDS", 0.0)
    sealed = vault.encrypt(b"new", bound_to="a")
    assert sealed_under(sealed) == vault.data_keys().current != b""
    assert again(memory_store, vault).decrypt(sealed, bound_to="a") == b"new"


def test_a_secret_of_a_slow_server_delays_the_end(memory_store: MemoryStore) -> None:
    """It was sealed with the old key after the pass: the old key stays, and the next pass finds it."""
    vault = open_vault(memory_store, OLD)
    slow = Vault(vault.data_keys().by_id[b""])
    rotate_data_key(memory_store, vault)
    add(memory_store, access_key(slow))
    late = NOW + GRACE_SECONDS
    with pytest.raises(RotationError, match="still encrypts 1 secret:"):
        finish_data_key(memory_store, OLD, now=late)
    rotate_data_key(memory_store, vault, at=late)
    with pytest.raises(RotationError, match=f"in {GRACE_SECONDS} seconds"):
        finish_data_key(memory_store, OLD, now=late)
    finish_data_key(memory_store, OLD, now=late + GRACE_SECONDS)
    assert opened(memory_store, again(memory_store, vault)) == [b"secret"]


def test_a_killed_pass_is_resumed(memory_store: MemoryStore) -> None:
    """After each batch every secret opens, and the next run seals the rest under the same new key."""

    class KilledError(Exception):
        pass

    def kill(_: object) -> None:
        raise KilledError

    vault = open_vault(memory_store, OLD)
    for number in range(60):
        add(memory_store, access_key(vault, number))
    made = add_data_key(memory_store, OLD, os.urandom, now=NOW)
    with pytest.raises(KilledError):
        reseal_secrets(memory_store, again(memory_store, vault), kill, now=lambda: NOW)
    assert 0 < count_secrets(memory_store).older < 60
    assert opened(memory_store, again(memory_store, vault)) == opened(memory_store, vault) == [b"secret"] * 60
    assert add_data_key(memory_store, OLD, os.urandom, now=NOW).current == made.current
    rotate_data_key(memory_store, vault)
    assert count_secrets(memory_store).older == 0


def test_a_data_key_can_be_rotated_twice(memory_store: MemoryStore) -> None:
    """The second rotation begins with a key that has an id."""
    vault = open_vault(memory_store, OLD)
    add(memory_store, access_key(vault))
    for at in (NOW, NOW + 1000):
        rotate_data_key(memory_store, vault, at=at)
        finish_data_key(memory_store, OLD, now=at + GRACE_SECONDS)
    assert opened(memory_store, again(memory_store, vault)) == opened(memory_store, vault) == [b"secret"]
    add_master_key(memory_store, OLD, NEW)
    finish_master_key(memory_store, NEW)
    assert opened(memory_store, open_vault(memory_store, NEW)) == [b"secret"]


def test_version_0_1_0_cannot_start_after_a_new_data_key(memory_store: MemoryStore) -> None:
    """Its record has a form that it refuses, and exists: without it, that version would make another data key."""
    open_vault(memory_store, OLD)
    add_data_key(memory_store, OLD, os.urandom, now=NOW)
    with memory_store.read() as reader:
        found = reader.find("vault", "", "data-key")
    assert found is not None
    assert not found.body.startswith(b"\x01")
    with pytest.raises(WrongMasterKeyError):
        OLD.unwrap(found.body)


def test_another_store_adopts_the_data_keys(memory_store: MemoryStore, clock: HandClock) -> None:
    """A restored store opens its secrets with the keys of the backup, under a master key of its own."""
    vault = open_vault(memory_store, OLD)
    sealed = vault.encrypt(b"secret", bound_to="a")
    rotate_data_key(memory_store, vault)
    carried = again(memory_store, vault).data_keys().encode()
    restored = MemoryStore(clock)
    with restored.write() as writer:
        for record in adopted_records(DataKeys.decode(carried), NEW):
            writer.insert(record)
    there = open_vault(restored, NEW)
    assert there.decrypt(sealed, bound_to="a") == b"secret"
    assert there.data_keys() == again(memory_store, vault).data_keys()
    assert repr(there.data_keys()) == "<secret>"
    for damaged in (b"", b"{}", carried[:-3], carried.replace(b"=", b"A", 1)):
        with pytest.raises(StoreOpenError, match="data keys are damaged"):
            DataKeys.decode(damaged)


@pytest.mark.parametrize("body", [b"", b"{", b'{"current": 1}', b"\xff"])
def test_a_damaged_keyring_is_one_sentence(memory_store: MemoryStore, body: bytes) -> None:
    """It is never a traceback."""
    open_vault(memory_store, OLD)
    add_master_key(memory_store, OLD, NEW)
    with memory_store.write() as writer:
        found = writer.find("vault", "", "keyring")
        assert found is not None
        writer.replace(msgspec.structs.replace(found, body=body))
    with pytest.raises(StoreOpenError, match="damaged"):
        open_vault(memory_store, OLD)
    with memory_store.read() as reader, pytest.raises(StoreOpenError, match="damaged"):
        load_keyring(reader)


def _sealed_members(type_: type, seen: tuple[type, ...] = ()) -> Iterator[str]:
    """Yield the names of members with sealed values, those of nested types too."""
    for field in msgspec.structs.fields(type_):
        if field.name.startswith("sealed"):
            yield field.name
        for nested in getattr(field.type, "__args__", ()):
            if isinstance(nested, type) and issubclass(nested, msgspec.Struct) and nested not in seen:
                yield from _sealed_members(nested, (*seen, nested))


def test_every_sealed_member_is_in_the_table() -> None:
    """A new type or member with a sealed value needs a row."""
    for type_ in records.KINDS:
        names = sorted(_sealed_members(type_))
        assert names == sorted(member.name for member in SEALED.get(type_, ())), type_


def test_an_empty_value_is_not_a_secret() -> None:
    """A public client has no secret."""
    device = MfaDevice(serial="s", account=ACCOUNT, created=datetime.now(UTC), sealed_seed=b"")
    assert sealed_secrets(device) == []
