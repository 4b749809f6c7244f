"""An issuer's published keys, parsed once and pinned to their algorithms.

Owns which entries of a JWK Set may verify a signature, and which one a token refers to. Entries of another purpose or
unknown type, and broken ones, are skipped, as RFC 7517 section 5 requires. x5c is never read: it proves no more than
the set itself.
Source: RFC 7517, RFC 7518, NIST SP 800-131A for the least RSA size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from daypass.base64url import parse_base64url, to_base64url
from daypass.federation.oidc.token import MAX_KID
from daypass.strict_json import NotStrictJsonError, parse_object

MAX_SET = 256 * 1024
MAX_KEYS = 100
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
MAX_EXPONENT_BITS = 32
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_PADDING = padding.PKCS1v15()
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}
_ECDSA: Mapping[str, ec.ECDSA] = {
    "ES256": ec.ECDSA(hashes.SHA256()),
    "ES384": ec.ECDSA(hashes.SHA384()),
    "ES512": ec.ECDSA(hashes.SHA512()),
}
# Bytes of r, and of s.
_HALF: Mapping[str, int] = {"ES256": 32, "ES384": 48, "ES512": 66}
RSA_ALGORITHMS = frozenset(_HASHES)
# The curve decides the algorithm: ES256 with a P-384 key is invalid.
CURVES: Mapping[str, tuple[ec.EllipticCurve, frozenset[str]]] = {
    "P-256": (ec.SECP256R1(), frozenset({"ES256"})),
    "P-384": (ec.SECP384R1(), frozenset({"ES384"})),
    "P-521": (ec.SECP521R1(), frozenset({"ES512"})),
}


class UnreadableKeySetError(ValueError):
    """The document is not a JWK Set, or has no key that could verify a token."""


class SkippedKeyError(ValueError):
    """An entry of the set cannot be used to verify tokens."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key, and the algorithms with which it may be used."""

    kid: str | None
    algorithms: frozenset[str]
    public: PublicKey
    identity: tuple[int, ...]

    def is_signed(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Tell whether `signature` of `signing_input` was made with this key.

        The caller checked `algorithm`.
        """
        # The algorithm says the type: _parse_rsa alone gives a key one of _HASHES.
        public: Any = self.public
        digest = _HASHES.get(algorithm)
        try:
            if digest is not None:
                public.verify(signature, signing_input, _PADDING, digest)
            else:
                der = _der(signature, _HALF[algorithm])
                public.verify(der, signing_input, _ECDSA[algorithm])
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_jwk(self, algorithm: str) -> dict[str, str]:
        """Return the key as a JWK that verifies signatures of one algorithm.

        It has no key id, so it fits a token with any.
        """
        numbers = self.public.public_numbers()
        if isinstance(numbers, rsa.RSAPublicNumbers):
            return {"kty": "RSA", "n": _encode_number(numbers.n), "e": _encode_number(numbers.e), "alg": algorithm}
        curve = next(name for name, (_, algorithms) in CURVES.items() if self.algorithms <= algorithms)
        return {
            "kty": "EC",
            "crv": curve,
            "x": _encode_number(numbers.x),
            "y": _encode_number(numbers.y),
            "alg": algorithm,
        }


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, in published order.

    `skipped` says why the others are not used.
    """

    keys: tuple[VerificationKey, ...]
    skipped: tuple[str, ...] = ()
    _by_kid: dict[str | None, tuple[VerificationKey, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for key in self.keys:
            self._by_kid[key.kid] = (*self._by_kid.get(key.kid, ()), key)

    def has_kid(self, kid: str) -> bool:
        """Tell whether the set has a key with that id."""
        return any(key.kid == kid for key in self.keys)

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the one key that a token with this header refers to, or None.

        A token with a key id needs a key with that id, or else one without an id; other tokens may use any key. If
        several fit, the result is None: otherwise the order of a list would decide which key is trusted.
        """
        named = self.keys if kid is None else self._by_kid.get(kid) or self._by_kid.get(None, ())
        if len(named) == 1:
            return named[0] if algorithm in named[0].algorithms else None
        fitting = [key for key in named if algorithm in key.algorithms]
        return fitting[0] if len({key.identity for key in fitting}) == 1 else None


def parse_jwks(data: bytes) -> KeySet:
    """Return the usable keys of a JWK Set, or raise UnreadableKeySetError."""
    if len(data) > MAX_SET:
        raise UnreadableKeySetError("larger than 256 KiB")
    try:
        entries = parse_object(data).get("keys")
    except NotStrictJsonError as fault:
        raise UnreadableKeySetError(str(fault)) from None
    if not isinstance(entries, list):
        raise UnreadableKeySetError("no list of keys")
    if len(entries) > MAX_KEYS:
        raise UnreadableKeySetError("more than 100 keys")
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for position, entry in enumerate(entries):
        try:
            keys.append(_parse_key(entry))
        except SkippedKeyError as why:
            skipped.append(f"key {position}: {why}")
    if not keys:
        raise UnreadableKeySetError("; ".join(skipped) or "no keys")
    return KeySet(tuple(keys), tuple(skipped))


def _parse_key(entry: object) -> VerificationKey:
    if not isinstance(entry, dict):
        raise SkippedKeyError("not an object")
    if PRIVATE_MEMBERS & entry.keys():
        raise SkippedKeyError("its private part is published, so any reader can sign with it")
    _check_use(entry)
    kid = entry.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID):
        raise SkippedKeyError("kid is not a string of 1 to 512 characters")
    kind = entry.get("kty")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise SkippedKeyError("type of key is not RSA or EC")
    public, algorithms, identity = parser(entry)
    return VerificationKey(kid, _pinned(entry, algorithms), public, identity)


def _check_use(entry: Mapping[str, Any]) -> None:
    if entry.get("use", "sig") != "sig":
        raise SkippedKeyError("use is not sig")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise SkippedKeyError("key_ops lacks verify")


def _pinned(entry: Mapping[str, Any], fitting: frozenset[str]) -> frozenset[str]:
    if "alg" not in entry:
        return fitting
    algorithm = entry["alg"]
    if not isinstance(algorithm, str) or algorithm not in fitting:
        raise SkippedKeyError("alg does not fit the key, or is not for identity tokens")
    return frozenset({algorithm})


_Parsed = tuple[PublicKey, frozenset[str], tuple[int, ...]]


def _parse_rsa(entry: Mapping[str, Any]) -> _Parsed:
    modulus, exponent = _number(entry, "n"), _number(entry, "e")
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or modulus % 2 == 0:
        raise SkippedKeyError("RSA modulus is not an odd number of 2,048 to 8,192 bits")
    # With exponent 1 the padded digest is its own signature; a huge one makes checks slow.
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > MAX_EXPONENT_BITS:  # noqa: PLR2004 - RFC
        raise SkippedKeyError("RSA exponent is not an odd number of at least 3")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return public, RSA_ALGORITHMS, (modulus, exponent)


def _parse_ec(entry: Mapping[str, Any]) -> _Parsed:
    name = entry.get("crv")
    found = CURVES.get(name) if isinstance(name, str) else None
    if found is None:
        raise SkippedKeyError("curve is not P-256, P-384 or P-521")
    curve, algorithms = found
    x, y = _number(entry, "x"), _number(entry, "y")
    if max(x, y).bit_length() > curve.key_size:
        raise SkippedKeyError("point is larger than the curve")
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError:
        raise SkippedKeyError("point is not on the curve") from None
    return public, algorithms, (x, y, curve.key_size)


_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], _Parsed]] = {"RSA": _parse_rsa, "EC": _parse_ec}


def _number(entry: Mapping[str, Any], name: str) -> int:
    # Some issuers write a leading zero octet (a sign bit): the same number, so the same key.
    text = entry.get(name)
    if not isinstance(text, str) or not text or len(text) > MAX_RSA_BITS // 4:
        raise SkippedKeyError(f"{name} is not a number")
    try:
        return int.from_bytes(parse_base64url(text), "big")
    except ValueError:
        raise SkippedKeyError(f"{name} is not base64url") from None


def _encode_number(number: int) -> str:
    return to_base64url(number.to_bytes(max(1, -(-number.bit_length() // 8)), "big"))


def _der(signature: bytes, size: int) -> bytes:
    # RFC 7518 section 3.4: r and s, each as long as the curve. Zero is not a valid signature (CVE-2022-21449).
    if len(signature) != 2 * size:
        raise ValueError("signature is not r and s of the curve's size")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    if r == 0 or s == 0:
        raise ValueError("r or s is zero")
    return encode_dss_signature(r, s)
