"""Our own web identity tokens: their signing keys and their signature.

Owns the two algorithms, the content of a key, its rotation, and the numbered key IDs that AWS uses too. Leaves the
claims of a token to the operation, and the lifecycle of a key to key_ring.py.
Source: RFC 7515, RFC 7517, RFC 7518; STS API Reference, GetWebIdentityToken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from daypass.mint.jwt_signing import algorithm_of, load_jwt_key, public_jwk, sign_jwt
from daypass.mint.key_ring import SKEW, KeyRing, Material, RingKey, drop_expired

LONGEST_TOKEN = 3_600
# A new key is published a day before it signs; relying parties cache for much less.
LEAD = 86_400
_RSA_BITS = 2048


class Algorithm(Enum):
    """The signature algorithm of a token. The value is its JWA name."""

    RS256 = "RS256"
    ES384 = "ES384"


_KEY_NAMES: Mapping[Algorithm, str] = {Algorithm.RS256: "RSA", Algorithm.ES384: "EC384"}


@final
class SigningMaterial:
    """A private key for one algorithm.

    `private` is its PKCS #8 form and `public` the JWK that verifies.
    """

    __slots__ = ("_key", "algorithm", "private", "public")

    def __init__(self, algorithm: Algorithm, private: bytes) -> None:
        self._key = load_jwt_key(private)
        if algorithm_of(self._key) != algorithm.value:
            raise ValueError(f"the key is not for {algorithm.value}")
        self.algorithm = algorithm
        self.private = private
        self.public: Mapping[str, Any] = public_jwk(self._key)

    def __repr__(self) -> str:
        return "<secret>"

    def sign(self, key_id: str, claims: Mapping[str, Any]) -> str:
        """Return the compact form of a token with these claims."""
        return sign_jwt(self._key, key_id, claims)


TokenKey: TypeAlias = RingKey[SigningMaterial]
IssuerRing: TypeAlias = KeyRing[SigningMaterial]


@dataclass(frozen=True, slots=True)
class IssuerRings:
    """The signing keys of one issuer, a ring for each algorithm."""

    rings: Mapping[Algorithm, IssuerRing]

    def sign(self, algorithm: Algorithm, claims: Mapping[str, Any], *, now: int) -> str:
        """Return a token signed with the key that is active now.

        Raises NoActiveKeyError if no key is active yet.
        """
        key = self.rings[algorithm].active(now)
        return key.material.sign(key.id, claims)


def first_token_key(algorithm: Algorithm, *, now: int) -> TokenKey:
    """Return an issuer's first key.

    It is active at once, also on a node with a slow clock.
    """
    return _new_key(algorithm, 0, now=now, activates=now - SKEW)


def rotate_issuer_ring(issuer_ring: IssuerRing, algorithm: Algorithm, *, now: int) -> IssuerRing:
    """Return the ring with a new key that signs after `LEAD` seconds.

    Relying parties have this time to fetch it. The ring does not change while a new key is not active yet: two
    rotations in a row have the effect of one.
    """
    if issuer_ring.has_pending(now):
        return issuer_ring
    number = 1 + max(int(key.id.rpartition("_")[2]) for key in issuer_ring.keys)
    return issuer_ring.with_key(_new_key(algorithm, number, now=now, activates=now + LEAD))


def needs_maintenance(issuer_ring: KeyRing[Material], *, now: int, rotate_after: int) -> bool:
    """Return whether a ring needs maintenance.

    It has destroyed keys, or an old active key without a successor. 0 for `rotate_after` disables rotation.
    """
    if drop_expired(issuer_ring, now=now, longest=LONGEST_TOKEN) is not issuer_ring:
        return True
    due = rotate_after and issuer_ring.active(now).activates + rotate_after <= now + LEAD
    return bool(due) and not issuer_ring.has_pending(now)


def maintain_issuer_ring(issuer_ring: IssuerRing, algorithm: Algorithm, *, now: int, rotate_after: int) -> IssuerRing:
    """Return the ring after maintenance at `now`.

    Removes destroyed keys, and adds a new one if the active one is too old.
    """
    issuer_ring = drop_expired(issuer_ring, now=now, longest=LONGEST_TOKEN)
    if needs_maintenance(issuer_ring, now=now, rotate_after=rotate_after):
        return rotate_issuer_ring(issuer_ring, algorithm, now=now)
    return issuer_ring


def _new_key(algorithm: Algorithm, number: int, *, now: int, activates: int) -> TokenKey:
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if algorithm is Algorithm.RS256:
        private = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    else:
        private = ec.generate_private_key(ec.SECP384R1())
    form = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return TokenKey(f"{_KEY_NAMES[algorithm]}_{number}", SigningMaterial(algorithm, form), now, activates)
