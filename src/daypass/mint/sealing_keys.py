"""The ring of sealing keys.

Owns the content of a key and its rotation. Leaves its lifecycle to key_ring.py, and sealing to seal.py.
"""

import hmac
from typing import TypeAlias, final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daypass.keyed_hash import KeyedHash
from daypass.mint.durations import LONGEST
from daypass.mint.key_ring import SKEW, KeyRing, RingKey, drop_expired
from daypass.mint.purpose import Purpose
from daypass.ports import Entropy

KEY_BYTES = 32
KEY_ID_BYTES = 6
# Every node must know a new key before its first token arrives.
LEAD = 60


@final
class SealingMaterial:
    """Thirty-two secret bytes, and the keys of each purpose derived from them."""

    __slots__ = ("_purposes", "secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes")
        self.secret = secret
        self._purposes = {purpose: KeyedHash(_derive(secret, purpose.value.label)) for purpose in Purpose}

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SealingMaterial):
            return NotImplemented
        return hmac.compare_digest(self.secret, other.secret)

    def __hash__(self) -> int:
        return hash(self.secret)

    def token_key(self, purpose: Purpose, salt: bytes) -> bytes:
        """Return the key that seals the one string of this purpose and salt."""
        return self._purposes[purpose].digest(salt)


SealingKey: TypeAlias = RingKey[SealingMaterial]
SealingRing: TypeAlias = KeyRing[SealingMaterial]


def first_sealing_ring(*, now: int, entropy: Entropy) -> SealingRing:
    """Return a ring of one key.

    It is active at once, also on a node with a slow clock.
    """
    return SealingRing((_new_key(now=now, activates=now - SKEW, entropy=entropy),))


def rotate(sealing_ring: SealingRing, *, now: int, entropy: Entropy, lead: int = LEAD) -> SealingRing:
    """Return the ring with a new key that becomes active after `lead` seconds.

    It does not change while a new key is not active yet: two rotations in a row have the effect of one.
    """
    if sealing_ring.has_pending(now):
        return sealing_ring
    return sealing_ring.with_key(_new_key(now=now, activates=now + lead, entropy=entropy))


def maintain_sealing_ring(sealing_ring: SealingRing, *, now: int, rotate_after: int, entropy: Entropy) -> SealingRing:
    """Return the ring after maintenance at `now`.

    Removes destroyed keys, and adds a new one if the active one is older than `rotate_after` seconds; 0 leaves rotation
    to an operator.
    """
    sealing_ring = drop_expired(sealing_ring, now=now, longest=LONGEST)
    if rotate_after and sealing_ring.active(now).activates + rotate_after <= now:
        return rotate(sealing_ring, now=now, entropy=entropy)
    return sealing_ring


def _new_key(*, now: int, activates: int, entropy: Entropy) -> SealingKey:
    return SealingKey(entropy(KEY_ID_BYTES).hex(), SealingMaterial(entropy(KEY_BYTES)), now, activates)


def _derive(secret: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(secret)
