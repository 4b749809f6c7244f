"""Parse a token's form, before any part of it is trusted.

Owns the first checks: size, three canonical segments, the allowed header members and algorithms. verify.py verifies the
signature and the claims; until then each value is named unverified.
Source: RFC 7515, RFC 7519, RFC 8725; AWS accepts only RS256/384/512 and ES256/384/512.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from daypass.base64url import to_standard_base64
from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.proof_length import WEB_IDENTITY_TOKEN
from daypass.strict_json import NotStrictJsonError, parse_object

MAX_KID = 512
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"})
# Each of these changes how the message is read (RFC 7515 section 4.1.11, RFC 7797, RFC 7516 section 4.1). The members
# that name or contain a key (jku, jwk, x5u, x5c) are ignored like unknown ones: keys come from the provider only.
REFUSED_HEADERS = ("crit", "b64", "enc", "zip")
# The allowed types of an identity token. An access token (at+jwt) or a logout token has another purpose.
TOKEN_TYPES = frozenset({"jwt", "jose", "application/jwt"})
NESTED_TYPES = frozenset({"jwt", "application/jwt"})
_SEGMENTS = 3
BAD_ALGORITHM = "alg is not one of RS256, RS384, RS512, ES256, ES384 and ES512"
_decode_base64 = msgspec.json.Decoder(bytes).decode
# An issuer writes the same header in every token, and only its string matters: cache the last ones.
_KEPT_HEADERS, _LONGEST_KEPT = 128, 512


class UnverifiedToken(msgspec.Struct, frozen=True):
    """A token that is well formed but not verified.

    Its sender may have invented all of it.
    """

    algorithm: str
    kid: str | None
    unverified_issuer: str
    unverified_claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Return the parts that may be logged.

        The others would reveal the token.
        """
        return f"UnverifiedToken({self.algorithm!r}, {self.kid!r}, {self.unverified_issuer!r})"


def without_line_end(text: str) -> str:
    """Return a token without the end of its line.

    SDKs send a token file as it is, and `echo` and `jq -r` end it with a newline that is not part of the token.
    """
    return text.removesuffix("\n").removesuffix("\r")


def read_token(text: str) -> UnverifiedToken:
    """Return the parts of a compact JWS.

    Raises InvalidIdentityToken if it is malformed, and ValidationError for its length.
    """
    # The length first, to limit the cost of later steps.
    WEB_IDENTITY_TOKEN.require(text)
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
    """Return the algorithm and the key id. Unknown members are ignored.

    Raises InvalidIdentityToken if the header is not allowed.
    """
    for name in REFUSED_HEADERS:
        if name in header:
            raise _not_a_jwt(f"the header contains {name}, which is not allowed")
    _check_types(header)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail=BAD_ALGORITHM)
    return algorithm, _kid(header)


def _check_types(header: Mapping[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TOKEN_TYPES:
        raise _not_a_jwt("typ is not that of an identity token")
    content = header.get("cty", "")
    if not isinstance(content, str) or content.lower() in NESTED_TYPES:
        raise _not_a_jwt("cty says that the token contains another token")


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
        raise InvalidIdentityToken(oidc_messages.MISSING_CLAIM.format(name="iss"))
    if not isinstance(issuer, str) or not issuer:
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="iss is not a string")
    return issuer


def _bytes(segment: str, name: str) -> bytes:
    try:
        # A string of JSON: msgspec decodes a signature twice as fast as binascii, and refuses the same strings.
        return _decode_base64(b'"%b"' % to_standard_base64(segment))
    except msgspec.DecodeError:
        raise _not_a_jwt(f"{name}: not base64url") from None
    except ValueError as fault:
        raise _not_a_jwt(f"{name}: {fault}") from None


def _not_a_jwt(why: str) -> InvalidIdentityToken:
    return InvalidIdentityToken(oidc_messages.NOT_A_JWT, detail=why)
