"""The payload forms of a signature: how the body of a request is verified.

Owns the accepted values of x-amz-content-sha256. Leaves chunks and trailers to verify/s3, and other bodies to
body_check.py. Source: Amazon S3 API Reference, "Signature calculations: transferring payload".
"""

from enum import Enum
from hashlib import sha256

import msgspec


class PayloadKind(Enum):
    """The ways in which a signature covers a body."""

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a call of Python

    HASH = "SHA-256"
    """The signature covers the SHA-256 of the whole body."""
    UNSIGNED = "UNSIGNED-PAYLOAD"
    """The signature does not cover the body."""
    SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    """Each chunk of the body has a signature."""
    SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    """Each chunk and the trailer have a signature."""
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    """The chunks are not signed; a trailer has a checksum."""


class PayloadForm(msgspec.Struct, frozen=True):
    """A payload form. `value` is the string in the canonical request."""

    kind: PayloadKind
    value: str

    @property
    def streaming(self) -> bool:
        """Return whether the body is framed in chunks of aws-chunked."""
        return self.kind not in (PayloadKind.HASH, PayloadKind.UNSIGNED)


EMPTY_SHA256 = sha256(b"").hexdigest()
UNSIGNED = PayloadForm(PayloadKind.UNSIGNED, PayloadKind.UNSIGNED.value)
_BY_VALUE = {
    **{kind.value: PayloadForm(kind, kind.value) for kind in PayloadKind if kind is not PayloadKind.HASH},
    EMPTY_SHA256: PayloadForm(PayloadKind.HASH, EMPTY_SHA256),  # most requests are reads
}
_HASH_LENGTH = 64
_HEX = frozenset("0123456789abcdef")


def find_payload_form(value: str) -> PayloadForm | None:
    """Return the form of a value of x-amz-content-sha256, or None.

    A hash has 64 lower-case hexadecimal digits. STREAMING-AWS4-ECDSA-P256-SHA256-… (Signature Version 4A) is not a
    form: its keys cannot be derived from a shared secret.
    """
    known = _BY_VALUE.get(value)
    if known is None and len(value) == _HASH_LENGTH and _HEX.issuperset(value):
        return PayloadForm(PayloadKind.HASH, value)
    return known
