"""The master key and the data key of a store of version 0.1.0, which has a record of every kind, are rotated."""

import os

from tests.upgrade.conftest import recorded

from daypass.config import Config
from daypass.directory import records
from daypass.directory.sealed_secrets import SEALED, sealed_secrets
from daypass.storage.keyring import unlock
from daypass.storage.master_key import MasterKey, MasterKeySource, parse_master_key
from daypass.storage.rotation import (
    GRACE_SECONDS,
    add_data_key,
    add_master_key,
    finish_data_key,
    finish_master_key,
    get_keyring,
    reseal_secrets,
)
from daypass.storage.vault import open_vault
from daypass.wiring_store import open_everything

NEW = MasterKey(b"n" * 32)
# Kinds that version 0.1.0 does not have.
LATER = {"OidcSignInClient", "StoredProof", "TokenFamily"}


def test_every_secret_of_the_old_store_opens_under_new_keys(old_sqlite: str) -> None:
    """Each type of secret that the old version had is there, and the old keys open none of them any more."""
    there = open_everything(Config(store=old_sqlite), MasterKeySource(text=recorded()["master_key"]))
    with there.store.read() as reader:
        before = {type_: list(records.each(reader, type_, None)) for type_ in SEALED}
    assert {type_.__name__ for type_, found in before.items() if not found} <= LATER
    provider = NEW
    add_master_key(there.store, parse_master_key(recorded()["master_key"], source="test"), provider)
    finish_master_key(there.store, provider)
    add_data_key(there.store, provider, os.urandom, now=0)
    vault = open_vault(there.store, provider)
    reseal_secrets(there.store, vault, lambda _: None, now=lambda: 0)
    finish_data_key(there.store, provider, now=GRACE_SECONDS)
    fresh = open_vault(there.store, provider)
    assert list(unlock(get_keyring(there.store), provider).by_id) == [fresh.data_keys().current]
    with there.store.read() as reader:
        for type_, entities in before.items():
            for was, now in zip(entities, records.each(reader, type_, None), strict=True):
                for (name, old_sealed), (bound_to, sealed) in zip(
                    sealed_secrets(was), sealed_secrets(now), strict=True
                ):
                    assert fresh.decrypt(sealed, bound_to=bound_to) == there.vault.decrypt(old_sealed, bound_to=name)
    there.store.close()
