"""The rules for the headers of an S3 request before they are judged.

Owns the headers that are refused, the access control lists that are refused, and the values that are rewritten into one
spelling. Leaves the headers that go to the store to resign.py.

- A header x-amz-* that no operation of the model has is refused: S3 could know it one day.
- A header of another operation has no effect, and does not go to the store.
- Buckets behave as BucketOwnerEnforced: access control lists other than the two without effect are refused. Source:
  Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket".
"""

from collections.abc import Mapping
from types import MappingProxyType

from daypass.bounded_memory import BoundedMemory
from daypass.verify.s3.errors import s3_error
from daypass.verify.s3.operations.object_tags import TAGGING_HEADER, encode_tagging, parse_tagging
from daypass.verify.s3.operations.routes import KNOWN_HEADERS, S3Operation

Headers = Mapping[bytes, bytes]

METADATA_PREFIX = b"x-amz-meta-"
CHECKSUM_PREFIX = b"x-amz-checksum-"
MODE_HEADER = b"x-amz-checksum-mode"
LONGEST_VALUE = 4_096
MOST_METADATA = 8_192

_OF_EVERY_REQUEST = frozenset(
    {
        b"x-amz-api-version",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-decoded-content-length",
        b"x-amz-sdk-checksum-algorithm",
        b"x-amz-security-token",
        b"x-amz-trailer",
        b"x-amz-user-agent",
    }
)
REFUSED_HEADERS = frozenset(
    {
        b"x-amz-bucket-namespace",
        b"x-amz-mfa",
        b"x-amz-object-annotation-directive",
        b"x-amz-object-lock-event-hold",
        b"x-amz-object-lock-event-hold-duration-days",
        b"x-amz-object-lock-event-hold-duration-years",
        b"x-amz-write-offset-bytes",
    }
)
"""Members of operations for features that do not exist here. They are refused, and never go to a store."""
# MFA delete is not implemented, and a store cannot verify a code for an MFA device of this server.
_MFA_HEADER = b"x-amz-mfa"
_ACL_HEADER = b"x-amz-acl"
_GRANT_PREFIX = b"x-amz-grant-"
_ACLS_WITHOUT_EFFECT = frozenset({b"private", b"bucket-owner-full-control"})
_CODING = b"aws-chunked"
_USUAL_MODE = b"ENABLED"
# The table of permissions reads these, and a store must not read another value out of another spelling.
_VALUES: Mapping[bytes, tuple[bytes, ...]] = MappingProxyType(
    {
        b"x-amz-bucket-object-lock-enabled": (b"true", b"false"),
        b"x-amz-bypass-governance-retention": (b"true", b"false"),
        b"x-amz-metadata-directive": (b"COPY", b"REPLACE"),
        b"x-amz-object-lock-legal-hold": (b"ON", b"OFF"),
        b"x-amz-object-lock-mode": (b"GOVERNANCE", b"COMPLIANCE"),
        b"x-amz-tagging-directive": (b"COPY", b"REPLACE"),
    }
)
_LONGEST_LIST = 1_024  # bytes
_to_check: BoundedMemory[tuple[bytes, ...], tuple[bytes, ...]] = BoundedMemory(512)
_FLAGS = frozenset(name for name, values in _VALUES.items() if b"true" in values)


def merge_headers(headers: Headers, hoisted: Headers) -> Headers:
    """Return the headers with those of the query of a presigned URL.

    Raises S3Error if a name is in both: stores differ in the one that they obey.
    """
    both = headers.keys() & hoisted.keys()
    if both:
        name = min(both).decode()
        raise s3_error(
            "InvalidArgument", "The request has a header and a query parameter of the same name.", ArgumentName=name
        )
    return {**headers, **hoisted}


def settle_headers(operation: S3Operation, headers: Headers) -> Headers:
    """Return the headers with rewritten values.

    Raises S3Error for refused ones.
    """
    known = operation.headers
    changed: dict[bytes, bytes] = {}
    for name in _names_to_check(tuple(headers)):
        value = headers[name]
        if name in _FLAGS:
            value = changed[name] = value.lower()
        _check_header(name, value, known)
    if operation.has_metadata:
        _check_metadata(headers)
    if TAGGING_HEADER in headers and TAGGING_HEADER in known:
        changed[TAGGING_HEADER] = encode_tagging(parse_tagging(headers[TAGGING_HEADER]))
    coding = headers.get(b"content-encoding")
    if coding is not None and _CODING in coding.lower():
        changed[b"content-encoding"] = _without_chunks(coding)
    return {**headers, **changed} if changed else headers


def are_settled(operation: S3Operation, names: tuple[bytes, ...]) -> bool:
    """Return whether settle_headers() keeps headers of these names.

    It then returns them as they are, whatever their values are, as long as is_usual_mode() holds.
    """
    to_check = _names_to_check(names)
    return to_check in {(), (MODE_HEADER,)} and not operation.has_metadata and b"content-encoding" not in names


def is_usual_mode(headers: Headers) -> bool:
    """Return whether x-amz-checksum-mode is absent, or has its usual value."""
    return headers.get(MODE_HEADER, _USUAL_MODE) == _USUAL_MODE


def _names_to_check(names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return those of a request's headers that S3 may obey. Clients have few lists of headers."""
    known = _to_check.get(names)
    if known is not None:
        return known
    found = tuple(name for name in names if name[:6] == b"x-amz-" and name not in _OF_EVERY_REQUEST)
    return _to_check.put(names, found) if sum(map(len, names)) <= _LONGEST_LIST else found


def _check_header(name: bytes, value: bytes, known: frozenset[bytes]) -> None:
    if name[:11] == METADATA_PREFIX:
        return
    if name not in KNOWN_HEADERS and name[:15] != CHECKSUM_PREFIX:
        raise s3_error("NotImplemented", Header=name.decode("latin-1")[:128])
    if name == _MFA_HEADER or (name in REFUSED_HEADERS and name in known):
        raise s3_error("NotImplemented", Header=name.decode())
    if len(value) > LONGEST_VALUE and name != TAGGING_HEADER:
        raise s3_error("RequestHeaderSectionTooLarge", Header=name.decode())
    if name in known:
        _check_acl(name, value)
        if value not in _VALUES.get(name, (value,)):
            raise s3_error(
                "InvalidArgument",
                f"The value of {name.decode()} is not valid.",
                ArgumentName=name.decode(),
                ArgumentValue=value.decode("latin-1")[:1024],
            )


def _check_metadata(headers: Headers) -> None:
    size = sum(len(name) + len(value) for name, value in headers.items() if name[:11] == METADATA_PREFIX)
    if size > MOST_METADATA:
        raise s3_error("MetadataTooLarge", MaxSizeAllowed=str(MOST_METADATA), Size=str(size))


def _check_acl(name: bytes, value: bytes) -> None:
    if name.startswith(_GRANT_PREFIX) or (name == _ACL_HEADER and value not in _ACLS_WITHOUT_EFFECT):
        raise s3_error("AccessControlListNotSupported")


def _without_chunks(coding: bytes) -> bytes:
    """Return a Content-Encoding without aws-chunked.

    That is a coding of the transfer alone, and not one of the object. Raises S3Error if another coding contains the
    word: a store that searches for it would decode a body that is not in chunks.
    """
    kept = [part.strip() for part in coding.split(b",") if part.strip().lower() != _CODING]
    if any(_CODING in part.lower() for part in kept):
        raise s3_error(
            "InvalidArgument",
            "The value of content-encoding is not valid.",
            ArgumentName="content-encoding",
            ArgumentValue=coding.decode("latin-1")[:1024],
        )
    return b",".join(part for part in kept if part)
