"""Create tokens like issuers, or forge them.

Owns signing keys of every algorithm, their JWKs, and the compact form with any header, payload and signature. It shares
no code with the verifier: a shared bug would stay hidden. Source: RFC 7515, RFC 7517, RFC 7518, RFC 8037.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | bytes

_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
    "1": hashes.SHA1(),  # noqa: S303 - forgers may use RS1
}
_CURVES: Mapping[str, tuple[str, ec.EllipticCurve]] = {
    "ES256": ("P-256", ec.SECP256R1()),
    "ES384": ("P-384", ec.SECP384R1()),
    "ES512": ("P-521", ec.SECP521R1()),
}


def encode(data: bytes) -> str:
    """Return base64url without padding.

    >>> encode(b"abcd")
    'YWJjZA'
    """
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def encode_json(value: object) -> str:
    """Return a value as JSON in base64url, like headers and payloads.

    >>> encode_json({"alg": "none"})
    'eyJhbGciOiJub25lIn0'
    """
    return encode(json.dumps(value, separators=(",", ":")).encode())


def encode_number(number: int, size: int | None = None) -> str:
    """Return a key's number in base64url.

    It is padded with zeros to `size` bytes, if the format requires it.

    >>> encode_number(65537)
    'AQAB'
    """
    return encode(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its key id and algorithm.

    >>> key = SigningKey.generate("ES256", "key-1")
    >>> sorted(key.jwk())
    ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']
    """

    kid: str | None
    alg: str
    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, alg: str, kid: str | None, *, rsa_bits: int = 2048, exponent: int = 65537) -> Self:
        """Create a key for an algorithm: RS*, PS*, ES*, EdDSA."""
        if alg in _CURVES:
            return cls(kid, alg, ec.generate_private_key(_CURVES[alg][1]))
        if alg == "EdDSA":
            return cls(kid, alg, ed25519.Ed25519PrivateKey.generate())
        return cls(kid, alg, rsa.generate_private_key(public_exponent=exponent, key_size=rsa_bits))

    def named(self, kid: str | None) -> Self:
        """Return the same key under another key id."""
        return replace(self, kid=kid)

    @property
    def pem(self) -> bytes:
        """Return the private key in PEM, or a secret unchanged."""
        if isinstance(self.private, bytes):
            return self.private
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public_pem(self) -> bytes:
        """Return the public key in PEM. Forgers use it as an HMAC secret."""
        if isinstance(self.private, bytes):
            return self.private
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwk(self, **members: object) -> dict[str, Any]:
        """Return the JWK. `members` replace or add members; None removes."""
        entry = {"kid": self.kid, "alg": self.alg, "use": "sig", **self._public_members(), **members}
        return {name: value for name, value in entry.items() if value is not None}

    def _public_members(self) -> dict[str, Any]:
        match self.private:
            case rsa.RSAPrivateKey():
                numbers = self.private.public_key().public_numbers()
                return {"kty": "RSA", "n": encode_number(numbers.n), "e": encode_number(numbers.e)}
            case ec.EllipticCurvePrivateKey():
                point = self.private.public_key().public_numbers()
                size = (self.private.curve.key_size + 7) // 8
                name = next(name for name, curve in _CURVES.values() if curve.name == self.private.curve.name)
                return {
                    "kty": "EC",
                    "crv": name,
                    "x": encode_number(point.x, size),
                    "y": encode_number(point.y, size),
                }
            case ed25519.Ed25519PrivateKey():
                return {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": encode(self.private.public_key().public_bytes_raw()),
                }
            case secret:
                return {"kty": "oct", "k": encode(secret)}

    def sign(self, data: bytes, alg: str | None = None) -> bytes:
        """Return a signature of `data`, by an algorithm of the key's type."""
        alg = alg or self.alg
        match self.private:
            case rsa.RSAPrivateKey():
                digest = _HASHES[alg[2:]]
                scheme: padding.AsymmetricPadding = padding.PKCS1v15()
                if alg.startswith("PS"):
                    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
                return self.private.sign(data, scheme, digest)
            case ec.EllipticCurvePrivateKey():
                size = (self.private.curve.key_size + 7) // 8
                r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(_HASHES[alg[2:]])))
                return r.to_bytes(size, "big") + s.to_bytes(size, "big")
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(data)
            case secret:
                return hmac.new(secret, data, getattr(hashlib, f"sha{alg[2:]}")).digest()


def compact(header: object, payload: object, key: SigningKey | None, *, alg: str | None = None) -> str:
    """Return a compact JWS.

    Bytes are used unchanged, other values become JSON. Without a key there is no signature. `alg` is the real
    algorithm, which may differ from the header.

    >>> compact({"alg": "none"}, {"sub": "alice"}, None)
    'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.'
    """
    parts = [encode(part) if isinstance(part, bytes) else encode_json(part) for part in (header, payload)]
    signed = ".".join(parts)
    signature = b"" if key is None else key.sign(signed.encode("ascii"), alg)
    return f"{signed}.{encode(signature)}"
