"""Sign JSON Web Tokens, and write the public keys that verify them.

Owns the compact form and the JWK of a private key of `cryptography`. The caller owns the claims and the key ids.

* The key decides the algorithm: RS256 for RSA, ES256 or ES384 on P-256 or P-384. Other keys are refused.
* An ECDSA signature is r and s, each as long as a coordinate of the curve, and not DER (RFC 7518 section 3.4).
* Coordinates have their full length (section 6.2.1); the numbers of an RSA key have no leading zero (section 6.3.1).

Source: RFC 7515 section 7.1, RFC 7517, RFC 7518.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from daypass.base64url import to_base64url

JwtKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# The curve of a key -> its name in a JWK, the algorithm, its hash.
_CURVES: Mapping[str, tuple[str, str, HashAlgorithm]] = {
    "secp256r1": ("P-256", "ES256", SHA256()),
    "secp384r1": ("P-384", "ES384", SHA384()),
}


def load_jwt_key(pkcs8: bytes, *, is_own: bool = False) -> JwtKey:
    """Return the private key in a DER document.

    `is_own`: we made and sealed it, so that the primality test of RSA is not needed. Raises ValueError if the
    algorithms cannot use the key.
    """
    key = load_der_private_key(pkcs8, password=None, unsafe_skip_rsa_key_validation=is_own)
    is_known = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES
    if not isinstance(key, rsa.RSAPrivateKey) and not is_known:
        raise ValueError("the key is not an RSA key and not on P-256 or P-384")
    return key  # type: ignore[return-value] # one of the two, as was just checked


def algorithm_of(key: JwtKey) -> str:
    """Return the name of the algorithm that the key signs with."""
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else _CURVES[key.curve.name][1]


def public_jwk(key: JwtKey) -> dict[str, str]:
    """Return the members of the JWK that verifies the key's signatures."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e), "use": "sig", "alg": "RS256"}
    point, size = key.public_key().public_numbers(), _coordinate_size(key)
    name, algorithm, _ = _CURVES[key.curve.name]
    x, y = (to_base64url(number.to_bytes(size, "big")) for number in (point.x, point.y))
    return {"kty": "EC", "crv": name, "x": x, "y": y, "use": "sig", "alg": algorithm}


def sign_jwt(key: JwtKey, key_id: str, claims: Mapping[str, Any]) -> str:
    """Return the compact form of a signed token with these claims."""
    header = {"kid": key_id, "typ": "JWT", "alg": algorithm_of(key)}
    signed = ".".join(to_base64url(msgspec.json.encode(part)) for part in (header, claims))
    return f"{signed}.{to_base64url(_signature(key, signed.encode()))}"


def _signature(key: JwtKey, signed: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), SHA256())
    der = key.sign(signed, ec.ECDSA(_CURVES[key.curve.name][2]))
    return b"".join(number.to_bytes(_coordinate_size(key), "big") for number in decode_dss_signature(der))


def _coordinate_size(key: ec.EllipticCurvePrivateKey) -> int:
    return (key.curve.key_size + 7) // 8


def _integer(number: int) -> str:
    return to_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
