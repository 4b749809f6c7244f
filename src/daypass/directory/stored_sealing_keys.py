"""The key ring in the store: sealing keys encrypted under the master key.

Owns its records. Leaves key rotation to mint/key_ring.py.
"""

from daypass.directory import records
from daypass.directory.entities.iam_entities import StoredKey
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Writer
from daypass.mint.sealing_keys import SealingKey, SealingMaterial, SealingRing

_MOST = 1000


def load_sealing_ring(reader: Reader, vault: SecretBox) -> SealingRing:
    """Return the sealing keys."""
    keys = tuple(_open(stored, vault) for stored in records.page(reader, StoredKey, "", limit=_MOST))
    return SealingRing(keys, vault.find_sealing_key)


def save_sealing_ring(writer: Writer, sealing_ring: SealingRing, vault: SecretBox) -> None:
    """Store the ring: add new keys, delete removed ones."""
    wanted = {key.id: key for key in sealing_ring.keys}
    for stored in records.page(writer, StoredKey, "", limit=_MOST):
        if wanted.pop(stored.id, None) is None:
            records.delete(writer, stored)
    for key in wanted.values():
        records.insert(writer, seal_key(key, vault))


def _open(stored: StoredKey, vault: SecretBox) -> SealingKey:
    secret = vault.decrypt(stored.sealed_secret, bound_to=sealing_key_name(stored.id))
    return SealingKey(stored.id, SealingMaterial(secret), stored.created, stored.activates)


def seal_key(key: SealingKey, vault: SecretBox) -> StoredKey:
    """Return the stored form of a sealing key."""
    return StoredKey(
        id=key.id,
        sealed_secret=vault.encrypt(key.material.secret, bound_to=sealing_key_name(key.id)),
        created=key.created,
        activates=key.activates,
    )


def sealing_key_name(key_id: str) -> str:
    """Return the name that the sealed key is bound to."""
    return f"sealing-key:{key_id}"
