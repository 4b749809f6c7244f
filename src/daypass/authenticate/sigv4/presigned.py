"""Parse the signature in the query of a presigned URL, unverified.

Owns its parameters and AWS's messages for missing ones. X-Amz-Expires is ignored, as by STS: a presigned
GetCallerIdentity is valid for fifteen minutes with any value.
Source: IAM User Guide, "Elements of an AWS API request signature", query string parameters.
"""

from collections.abc import Set as AbstractSet

from daypass.authenticate.sigv4.canonical import Headers, QueryPairs, decode_query
from daypass.authenticate.sigv4.credential import parse_credential
from daypass.authenticate.sigv4.header import TOKEN_HEADER
from daypass.authenticate.sigv4.signature import ALGORITHM, UnverifiedSignature
from daypass.authenticate.sigv4.timestamp import parse_timestamp
from daypass.errors import IncompleteSignature

REQUIRED = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
# These show that the caller intended to sign; a date or a token alone does not.
_TELLING = frozenset({"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"})
_TOKEN = "X-Amz-Security-Token"  # noqa: S105 - the name of a parameter
_READ = frozenset({*REQUIRED, _TOKEN})
_LONGEST_ECHO = 64


def find_parameters(query: bytes) -> dict[str, str] | None:
    """Return the parameters of a presigned signature, or None without any."""
    return select_parameters(decode_query(query))


def select_parameters(pairs: QueryPairs, *, also: AbstractSet[str] = frozenset()) -> dict[str, str] | None:
    """Return the parameters of a presigned signature in a decoded query.

    `also` names further parameters that the caller reads. Each may be given once. Returns None if no parameter shows
    that the caller intended to sign.
    """
    found: dict[str, str] = {}
    repeated = ""
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1")
        if name in _READ or name in also:
            repeated = name if name in found else repeated
            found[name] = raw_value.decode("latin-1")
    if _TELLING.isdisjoint(found):
        return None
    if repeated:
        raise IncompleteSignature(f"AWS query-string parameters must include '{repeated}' only once.")
    return found


def parse_presigned(found: dict[str, str], headers: Headers) -> UnverifiedSignature:
    """Return the unverified signature of a presigned query."""
    missing = [f"AWS query-string parameters must include '{name}'. " for name in REQUIRED if not found.get(name)]
    if missing:
        raise IncompleteSignature("".join(missing) + "Re-examine the query-string parameters.")
    if found["X-Amz-Algorithm"] != ALGORITHM:
        algorithm = found["X-Amz-Algorithm"][:_LONGEST_ECHO]
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    access_key_id, date, region, service, terminator = parse_credential(found["X-Amz-Credential"])
    return UnverifiedSignature(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        terminator=terminator,
        timestamp=found["X-Amz-Date"],
        signed_at=parse_timestamp(found["X-Amz-Date"]),
        signed_headers=tuple(found["X-Amz-SignedHeaders"].encode("latin-1").split(b";")),
        signature=found["X-Amz-Signature"],
        token=_token(found, headers),
        presigned=True,
    )


def _token(found: dict[str, str], headers: Headers) -> str | None:
    header = headers.get(TOKEN_HEADER)
    if header is None:
        return found.get(_TOKEN)
    if _TOKEN in found:
        raise IncompleteSignature(f"Found both '{_TOKEN}' as a query-string param and as HTTP header.")
    return header.decode("latin-1")
