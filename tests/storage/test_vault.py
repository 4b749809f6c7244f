"""The vault: a sealed secret opens only with the right key and owner, undamaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.directory.secret_box import SecretDecryptionError
from daypass.directory.store import Store
from daypass.storage.master_key import MasterKey
from daypass.storage.refusals import WrongMasterKeyError
from daypass.storage.vault import Vault, open_vault

OURS, THEIRS = MasterKey(b"o" * 32), MasterKey(b"t" * 32)
VAULT = Vault(b"k" * 32)


@given(secret=st.binary(max_size=200), owner=st.text(max_size=20).filter(str.isprintable))
def test_what_was_sealed_opens(secret: bytes, owner: str) -> None:
    """This holds for any secret and owner.

    And sealing twice never gives the same bytes.
    """
    sealed = VAULT.encrypt(secret, bound_to=owner)
    assert VAULT.decrypt(sealed, bound_to=owner) == secret
    assert VAULT.encrypt(secret, bound_to=owner) != sealed


def test_a_sealed_secret_belongs_to_its_owner_and_its_key() -> None:
    """Moved to another row, or opened with another key, it is SecretDecryptionError."""
    sealed = VAULT.encrypt(b"secret", bound_to="AKIA1")
    with pytest.raises(SecretDecryptionError, match="AKIA2"):
        VAULT.decrypt(sealed, bound_to="AKIA2")
    with pytest.raises(SecretDecryptionError):
        Vault(b"x" * 32).decrypt(sealed, bound_to="AKIA1")


@given(data=st.data())
def test_a_damaged_secret_does_not_open(data: st.DataObject) -> None:
    """A flipped bit or a removed or added byte is detected anywhere."""
    sealed = VAULT.encrypt(b"secret", bound_to="AKIA1")
    at = data.draw(st.integers(0, len(sealed) - 1))
    flipped = sealed[:at] + bytes([sealed[at] ^ 1 << data.draw(st.integers(0, 7))]) + sealed[at + 1 :]
    for damaged in (flipped, sealed[:at], sealed + b"\0"):
        with pytest.raises(SecretDecryptionError):
            VAULT.decrypt(damaged, bound_to="AKIA1")


def test_keys_do_not_show() -> None:
    """They are neither in a repr nor in a traceback's variables."""
    assert repr(VAULT) == repr(OURS) == "<secret>"


def test_a_store_s_vault_opens_again_with_the_same_master_key(store: Store) -> None:
    """The data key is created once and kept; opening again does not write."""
    sealed = open_vault(store, OURS).encrypt(b"secret", bound_to="a")
    revision = store.revision()
    assert open_vault(store, OURS).decrypt(sealed, bound_to="a") == b"secret"
    assert store.revision() == revision


def test_a_wrong_master_key_is_recognised_at_once(store: Store) -> None:
    """This happens before any secret is read, and without a change of the store."""
    open_vault(store, OURS)
    revision = store.revision()
    with pytest.raises(WrongMasterKeyError, match="master key"):
        open_vault(store, THEIRS)
    assert store.revision() == revision


def test_a_damaged_data_key_is_recognised(store: Store) -> None:
    """A record of an unknown form is refused like a wrong key."""
    open_vault(store, OURS)
    with store.write() as writer:
        record = writer.find("vault", "", "data-key")
        assert record is not None
        writer.delete("vault", "", "data-key")
        writer.insert(type(record)(kind="vault", account="", key="data-key", sort="data-key", body=b"\x02short"))
    with pytest.raises(WrongMasterKeyError):
        open_vault(store, OURS)
