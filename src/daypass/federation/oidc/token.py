"""Read a token's shape, before anything in it is believed.

Owns the gate: size, three canonical segments, which header members and algorithms there may be. Nothing
here is verified: signature and meaning are verify.py's work, and every value an attacker holds is named
unverified.
Source: RFC 7515, RFC 7519, RFC 8725; AWS takes RS256/384/512 and ES256/384/512 only.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from daypass.base64url import parse_base64url
from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import words
from daypass.strict_json import NotStrictJsonError, parse_object

MAX_TOKEN = 20_000
MAX_KID = 512
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})
# Each of these asks the reader to trust the message about how to check the message.
REFUSED_HEADERS = ("crit", "b64", "enc", "zip", "jwk", "jku", "x5u", "x5c")
# What an identity token may call itself. An access token (at+jwt) or a logout token is a proof of something
# else.
TOKEN_TYPES = frozenset({"jwt", "jose", "application/jwt"})
NESTED_TYPES = frozenset({"jwt", "application/jwt"})
_SEGMENTS = 3
# An issuer writes the same header over and over. What it says depends on its text alone, so the last ones are kept.
_KEPT_HEADERS, _LONGEST_KEPT = 128, 512


class UnverifiedToken(msgspec.Struct, frozen=True):
    """A token that is well formed, and nothing more. Whoever sent it may have written all of it."""

    algorithm: str
    kid: str | None
    unverified_issuer: str
    unverified_claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Return what may stand in a log: whoever has the rest has the token."""
        return f"UnverifiedToken({self.algorithm!r}, {self.kid!r}, {self.unverified_issuer!r})"


def read_token(text: str) -> UnverifiedToken:
    """Return the parts of a compact JWS, or refuse it."""
    # The length comes first, so that nothing below costs more than a token may.
    if len(text) > MAX_TOKEN:
        raise _not_a_jwt("longer than 20,000 characters")
    segments = text.split(".", _SEGMENTS)
    if len(segments) != _SEGMENTS or not all(segments):
        raise _not_a_jwt("not three base64url segments")
    header, payload, signature = segments
    algorithm, kid = _recall_header(header) if len(header) <= _LONGEST_KEPT else _read_header(header)
    claims = read_segment(payload, "payload")
    return UnverifiedToken(
        algorithm=algorithm,
        kid=kid,
        unverified_issuer=_issuer(claims),
        unverified_claims=claims,
        signing_input=text[: -len(signature) - 1].encode("ascii"),
        signature=_bytes(signature, "signature"),
    )


def _read_header(segment: str) -> tuple[str, str | None]:
    return check_header(read_segment(segment, "header"))


_recall_header = lru_cache(maxsize=_KEPT_HEADERS)(_read_header)


def read_segment(segment: str, name: str) -> dict[str, Any]:
    """Return the JSON object of the header or payload."""
    try:
        return parse_object(_bytes(segment, name))
    except NotStrictJsonError as fault:
        raise _not_a_jwt(f"{name}: {fault}") from None


def check_header(header: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return algorithm and key id, or refuse what the header asks for. Unknown members are ignored."""
    for name in REFUSED_HEADERS:
        if name in header:
            raise _not_a_jwt(f"header member {name}")
    _check_types(header)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidIdentityToken(words.NOT_VALIDATED, detail="algorithm not allowed")
    return algorithm, _kid(header)


def _check_types(header: Mapping[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TOKEN_TYPES:
        raise _not_a_jwt("typ is not that of an identity token")
    content = header.get("cty", "")
    if not isinstance(content, str) or content.lower() in NESTED_TYPES:
        raise _not_a_jwt("nested token")


def _kid(header: Mapping[str, Any]) -> str | None:
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID:
        raise _not_a_jwt("kid is not a string of 1 to 512 characters")
    return kid


def _issuer(claims: Mapping[str, Any]) -> str:
    issuer = claims.get("iss")
    if issuer is None:
        raise InvalidIdentityToken(words.MISSING_CLAIM.format(name="iss"))
    if not isinstance(issuer, str) or not issuer:
        raise InvalidIdentityToken(words.NOT_VALIDATED, detail="iss is not a string")
    return issuer


def _bytes(segment: str, name: str) -> bytes:
    try:
        return parse_base64url(segment)
    except ValueError as fault:
        raise _not_a_jwt(f"{name}: {fault}") from None


def _not_a_jwt(why: str) -> InvalidIdentityToken:
    return InvalidIdentityToken(words.NOT_A_JWT, detail=why)
