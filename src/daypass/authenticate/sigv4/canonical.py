"""The canonical request: the string that client and server both hash.

Owns the encoding of method, path, query, headers and body, and the two forms of path and query: S3's own form, and the
form of every other service. Each rule maps the bytes on the wire to exactly one meaning,
and the rest of the server reads that meaning, thus an attacker cannot alter any part that the caller signed.
Source: IAM User Guide, "Create a signed AWS API request", step 1; Amazon S3 API Reference, "Signature calculations".
Vectors: AWS's own signing test suite.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

SIGNATURE_PARAMETER = b"X-Amz-Signature"
_UNRESERVED = "-_.~"
_UNRESERVED_AND_SLASH = "-_.~/"
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/"

Headers = Mapping[bytes, bytes]


def fold_headers(headers: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Return the headers by name.

    Repeated headers are trimmed and joined by a comma, in their order.
    """
    folded = dict(headers)
    if len(folded) == len(headers):
        return folded
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(trim(value))
    # Joined once: each append would copy the value.
    return {name: b",".join(trimmed) for name, trimmed in values.items()}


def trim(value: bytes) -> bytes:
    """Return a header value without outer spaces and with single inner spaces."""
    return b" ".join(value.split())


def canonical_path(raw: bytes) -> bytes:
    """Return the path, normalized and then percent-encoded once more.

    Dot segments and repeated slashes are removed.
    """
    if raw in (b"/", b""):
        return b"/"
    kept: list[bytes] = []
    for segment in raw.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    if not kept:
        return b"/"
    tail = b"/" if raw.endswith(b"/") else b""
    return quote_from_bytes(b"/" + b"/".join(kept) + tail, _UNRESERVED_AND_SLASH).encode()


def s3_canonical_path(raw: bytes) -> bytes:
    """Return the path in S3's form: decoded once and encoded in one way.

    Dot segments and repeated slashes are parts of a key, so they stay.
    """
    if not raw.translate(None, _PLAIN):
        return raw  # every byte stands for itself
    return quote_from_bytes(unquote_to_bytes(raw), _UNRESERVED_AND_SLASH).encode()


class CanonicalForm(msgspec.Struct, frozen=True):
    """The rules of the canonical request in which services differ.

    `plus` is the meaning of a plus sign in a query.
    """

    path: Callable[[bytes], bytes]
    plus: bytes


PLAIN_FORM = CanonicalForm(canonical_path, b" ")
S3_FORM = CanonicalForm(s3_canonical_path, b"+")

QueryPairs = Sequence[tuple[bytes, bytes]]


def decode_query(raw: bytes, form: CanonicalForm = PLAIN_FORM) -> list[tuple[bytes, bytes]]:
    """Return the decoded names and values of a query, in their order."""
    pairs = []
    plus = form.plus
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", plus).partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def canonical_query(raw: bytes) -> bytes:
    """Return the canonical query of most services, as `encode_query` does."""
    return encode_query(decode_query(raw)) if raw else b""


def encode_query(pairs: QueryPairs) -> bytes:
    """Return the canonical query, without the signature itself.

    The decoded pairs are encoded in one way and sorted by name. Values of the same name keep their order on the wire.
    AWS's documentation sorts them too, but then an attacker could swap the values of a repeated parameter under a valid
    signature, and the first value is the one that counts. A signer that sorts the values is accepted if it also sends
    them sorted.
    """
    encoded = [
        (quote_from_bytes(name, _UNRESERVED), quote_from_bytes(value, _UNRESERVED))
        for name, value in pairs
        if name != SIGNATURE_PARAMETER
    ]
    encoded.sort(key=_name)
    return "&".join([f"{name}={value}" for name, value in encoded]).encode()


def _name(pair: tuple[str, str]) -> str:
    return pair[0]


def canonical_request(
    method: str, path: bytes, query: bytes, header_lines: Sequence[bytes], signed: Sequence[bytes], payload: bytes
) -> bytes:
    """Return the canonical request.

    `payload` is the hash of the body, or another payload form.
    """
    return b"%b\n%b\n%b\n%b\n\n%b\n%b" % (
        method.encode(),
        path,
        query,
        b"\n".join(header_lines),
        b";".join(signed),
        payload,
    )


def canonical_headers(headers: Headers, signed: Collection[bytes]) -> list[bytes] | None:
    """Return one line for each signed header, or None if the list is invalid.

    It is invalid if the request lacks one of its headers, or if it names one twice.
    """
    if len(set(signed)) != len(signed):
        return None  # A long header named a thousand times would be a million bytes to hash.
    lines = []
    for name in signed:
        value = headers.get(name)
        if value is None:
            return None
        lines.append(name + b":" + b" ".join(value.split()))
    return lines
