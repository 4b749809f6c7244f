"""A signature before and after it was checked: the two values the rest of the package turns on.

Owns the values alone. Reading them from a request is header.py's and presigned.py's work, believing them
verify.py's.
"""

from datetime import datetime

import msgspec

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"


class UnverifiedSignature(msgspec.Struct, frozen=True):
    """What a request claims about its signer. Nothing here may be believed yet.

    `date` to `terminator` are the credential scope, `timestamp` is the text that was signed and `signed_at`
    the instant it means. `token` is None where the request carries none; an empty one is still a token.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    timestamp: str
    signed_at: datetime
    signed_headers: tuple[bytes, ...]
    signature: str
    token: str | None
    presigned: bool


class VerifiedSignature(msgspec.Struct, frozen=True):
    """A signature that the holder of the key made over this very request, its body included."""

    access_key_id: str
    region: str
    service: str
    signed_at: datetime
    signed_headers: tuple[bytes, ...]
    presigned: bool
