"""Parse the signature in an Authorization header, without verifying it.

Owns the header's grammar and AWS's messages for its missing parts.
Source: IAM User Guide, "Elements of an AWS API request signature". AWS quotes a refused header as a hash, so a mistaken
bearer token does not appear in a log.
"""

import re
from base64 import b64encode
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from daypass.authenticate.sigv4.canonical import Headers
from daypass.authenticate.sigv4.credential import Credential, parse_credential
from daypass.authenticate.sigv4.signature import ALGORITHM, UnverifiedSignature
from daypass.authenticate.sigv4.template import CanonicalTemplate, make_template
from daypass.authenticate.sigv4.timestamp import parse_date_header, parse_timestamp
from daypass.errors import IncompleteSignature

TOKEN_HEADER = b"x-amz-security-token"
_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_NO_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
_LONGEST_ECHO = 64
_BEFORE_SIGNATURE = re.compile(rf"{ALGORITHM} Credential=([^\s,]+), ?SignedHeaders=([^\s,]+)", re.ASCII)
_LONGEST_REMEMBERED = 512
_SEPARATORS = re.compile(r"[\s,]+")


def parse_header(authorization: bytes, headers: Headers) -> UnverifiedSignature:
    """Return the unverified signature of an Authorization header."""
    text = authorization.decode("latin-1")
    # The format of all SDKs. The part before the signature stays the same all day, and is cached.
    before, _, signature = text.rpartition(", Signature=")
    usual = _read_usual(before) if signature.isalnum() and len(before) <= _LONGEST_REMEMBERED else None
    if usual is not None:
        credential, signed_headers, template = usual
    else:
        claimed, signed, signature = _parameters(text, headers)
        credential = parse_credential(claimed)
        signed_headers, template = _split(signed), None
    stamp = headers.get(b"x-amz-date")
    if stamp is not None:
        timestamp = stamp.decode("latin-1")
        signed_at = parse_timestamp(timestamp)
    else:
        timestamp, signed_at = _from_date_header(text, headers)
    token = headers.get(TOKEN_HEADER)
    access_key_id, date, region, service, terminator = credential
    return UnverifiedSignature(
        access_key_id,
        date,
        region,
        service,
        terminator,
        timestamp,
        signed_at,
        signed_headers,
        signature,
        None if token is None else token.decode("latin-1"),
        False,  # noqa: FBT003 - by position: this constructor is the most frequent one
        template,
    )


@lru_cache(maxsize=1024)
def _read_usual(before_signature: str) -> tuple[Credential, tuple[bytes, ...], CanonicalTemplate | None] | None:
    usual = _BEFORE_SIGNATURE.fullmatch(before_signature)
    if usual is None:
        return None
    credential, signed_headers = parse_credential(usual[1]), _split(usual[2])
    return credential, signed_headers, make_template(credential, signed_headers)


def _split(signed: str) -> tuple[bytes, ...]:
    return tuple(signed.encode("latin-1").split(b";"))


def _from_date_header(text: str, headers: Headers) -> tuple[str, datetime]:
    date = headers.get(b"date")
    if date is None:
        raise _incomplete([_NO_DATE], text)
    return parse_date_header(date.decode("latin-1"))


def _parameters(text: str, headers: Headers) -> tuple[str, str, str]:
    algorithm, _, rest = text.strip().partition(" ")
    if algorithm != ALGORITHM and algorithm.startswith("AWS"):
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm[:_LONGEST_ECHO]}'.")
    found = _pairs(text, rest)
    missing = [f"Authorization header requires '{name}' parameter." for name in _PARAMETERS if not found.get(name)]
    if missing:
        dated = b"x-amz-date" in headers or b"date" in headers
        raise _incomplete(missing if dated else [*missing, _NO_DATE], text)
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm[:_LONGEST_ECHO]}'.")
    return found["Credential"], found["SignedHeaders"], found["Signature"]


def _pairs(text: str, rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in _SEPARATORS.split(rest):
        if not piece:
            continue
        name, equals, value = piece.partition("=")
        if not equals:
            raise IncompleteSignature(
                "Invalid key=value pair (missing equal-sign) in Authorization header "
                f"(hashed with SHA-256 and encoded with Base64): '{_hashed(text)}'."
            )
        if name in found:
            # Refuse two signatures in one header: another reader might take the other one.
            raise IncompleteSignature(f"Authorization header repeats its '{name[:_LONGEST_ECHO]}' parameter.")
        found[name] = value
    return found


def _incomplete(missing: list[str], text: str) -> IncompleteSignature:
    words = " ".join(missing)
    return IncompleteSignature(f"{words} (Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(text)}")


def _hashed(text: str) -> str:
    return b64encode(sha256(text.encode("latin-1")).digest()).decode()
