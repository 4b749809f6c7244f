"""Verify DPoP proofs: a client has the key of its tokens.

A stolen refresh token is useless without the private key. The rules, each of RFC 9449 section 4.3 unless noted:

* exactly one DPoP header, which is one compact JWS of the type dpop+jwt
* signed with ES256 by the P-256 key in its own header. No other algorithm is accepted, so the proof cannot choose a
  weaker check, and a jwk that contains a private part is refused
* htm is the request's method, htu its address as the client sees it: that of the public URL, without query and
  fragment. A proof for another server or another endpoint is refused
* iat is at most `WINDOW` seconds from the server's time
* jti is used once. The caller claims `claim` until `claim_ends`, when the proof is too old anyway

The thumbprint is that of RFC 7638, over coordinates of full length.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from daypass.base64url import parse_base64url, to_base64url
from daypass.strict_json import NotStrictJsonError, parse_object
from daypass.wire.web_origin import find_origin, is_ours

WINDOW = 300  # seconds that the clocks of a client and of this server may differ
_LONGEST_PROOF = 4096
_LONGEST_ID = 256
_SEGMENTS = 3
_SIZE = 32  # bytes of a coordinate, of r and of s
_ES256 = ec.ECDSA(SHA256())
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# With each of these the proof would choose its verification.
_REFUSED = ("crit", "b64", "enc", "zip", "jku", "x5u", "x5c")


class InvalidProofError(ValueError):
    """The DPoP proof is missing or not valid. The text says why."""


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A verified proof: the holder of this key sent the request.

    The request is a replay if `claim` is taken already.
    """

    thumbprint: str
    claim: str
    claim_ends: datetime


def verify_proof(headers: Sequence[bytes], *, method: str, path: str, public_url: str, now: datetime) -> VerifiedProof:
    """Return the verified proof of a request.

    `headers` are all values of its DPoP header. Raises InvalidProofError.
    """
    if len(headers) != 1:
        raise InvalidProofError("the request needs exactly one DPoP header")
    unverified = _parse(headers[0])
    key, thumbprint = _key(unverified.header)
    if not unverified.is_signed(key):
        raise InvalidProofError("the signature does not match the jwk of the proof")
    claims = unverified.claims
    if claims.get("htm") != method:
        raise InvalidProofError("htm is not the method of the request")
    if not _is_address(claims.get("htu"), path, public_url):
        raise InvalidProofError(f"htu is not the address of the request: {public_url}{path}")
    issued = _issued(claims.get("iat"), now)
    return VerifiedProof(thumbprint, _claim(claims.get("jti"), thumbprint), issued + timedelta(seconds=WINDOW + 1))


@dataclass(frozen=True, slots=True)
class _UnverifiedProof:
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    def is_signed(self, key: ec.EllipticCurvePublicKey) -> bool:
        r, s = (int.from_bytes(self.signature[at : at + _SIZE]) for at in (0, _SIZE))
        try:
            key.verify(encode_dss_signature(r, s), self.signing_input, _ES256)
        except InvalidSignature:
            return False
        return True


def _parse(value: bytes) -> _UnverifiedProof:
    if len(value) > _LONGEST_PROOF:
        raise InvalidProofError(f"the proof is longer than {_LONGEST_PROOF} bytes")
    segments = value.decode("latin-1").split(".", _SEGMENTS)
    if len(segments) != _SEGMENTS:
        raise InvalidProofError("the proof does not have three segments")
    try:
        header, claims, signature = (parse_base64url(segment) for segment in segments)
    except ValueError as error:
        raise InvalidProofError("the proof is not in canonical base64url") from error
    try:
        parsed = _UnverifiedProof(parse_object(header), parse_object(claims), value.rpartition(b".")[0], signature)
    except NotStrictJsonError as error:
        raise InvalidProofError("the proof is not a JSON Web Signature in compact form") from error
    _check_header(parsed.header)
    if len(signature) != 2 * _SIZE:
        raise InvalidProofError("the signature is not r and s of P-256")
    return parsed


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("typ") != "dpop+jwt":
        raise InvalidProofError("typ is not dpop+jwt")
    if header.get("alg") != "ES256":
        raise InvalidProofError("alg is not ES256")
    for name in _REFUSED:
        if name in header:
            raise InvalidProofError(f"the header must not contain {name}")


def _key(header: Mapping[str, Any]) -> tuple[ec.EllipticCurvePublicKey, str]:
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise InvalidProofError("jwk is not a public key on P-256")
    if _PRIVATE & jwk.keys():
        raise InvalidProofError("jwk contains a private key")
    x, y = _coordinate(jwk.get("x")), _coordinate(jwk.get("y"))
    try:
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
        public = numbers.public_key()
    except ValueError as error:
        raise InvalidProofError("jwk is not a point on P-256") from error
    return public, _thumbprint(x, y)


def _coordinate(text: object) -> bytes:
    """Return a coordinate in its full length.

    Some clients omit leading zero bytes. That is the same key, so it has the same thumbprint.
    """
    try:
        value = parse_base64url(text) if isinstance(text, str) else b""
    except ValueError as error:
        raise InvalidProofError("a coordinate of jwk is not base64url") from error
    if not 0 < len(value) <= _SIZE:
        raise InvalidProofError("a coordinate of jwk does not have the size of P-256")
    return value.rjust(_SIZE, b"\0")


def _thumbprint(x: bytes, y: bytes) -> str:
    members = {"crv": "P-256", "kty": "EC", "x": to_base64url(x), "y": to_base64url(y)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return to_base64url(hashlib.sha256(canonical.encode()).digest())


def _is_address(htu: object, path: str, public_url: str) -> bool:
    if not isinstance(htu, str):
        return False
    public = find_origin(public_url)
    try:
        given = urlsplit(htu)
        below = urlsplit(public_url).path.rstrip("/")
    except ValueError:
        return False
    return is_ours(find_origin(htu), public, reached=None) and given.path in {path, below + path}


def _issued(iat: object, now: datetime) -> datetime:
    if not isinstance(iat, int) or isinstance(iat, bool):
        raise InvalidProofError("iat is not a whole number of seconds")
    if abs(iat - now.timestamp()) > WINDOW:
        raise InvalidProofError("iat is too far from the server's time. Check the clock of the client")
    return datetime.fromtimestamp(iat, UTC)


def _claim(jti: object, thumbprint: str) -> str:
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
        raise InvalidProofError(f"jti is not a string of 1 to {_LONGEST_ID} characters")
    # A digest: a jti may contain any characters.
    return f"dpop:{thumbprint}:{to_base64url(hashlib.sha256(jti.encode()).digest())}"
