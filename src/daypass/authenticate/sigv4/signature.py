"""A signature before and after its verification.

Leaves parsing to header.py and presigned.py, and verification to verify.py.
"""

from datetime import datetime

import msgspec

from daypass.authenticate.sigv4.template import CanonicalTemplate

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"


class UnverifiedSignature(msgspec.Struct, frozen=True):
    """The claims of a request about its signer. Do not trust any of them yet.

    `date` to `terminator` are the credential scope, `timestamp` is the signed string and `signed_at` its instant.
    `token` is None if absent; an empty token is still a token. `template` was made of the same scope and signed
    headers, or is None.
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
    template: CanonicalTemplate | None = None


class VerifiedSignature(msgspec.Struct, frozen=True):
    """A verified signature: the owner of the key signed this request and body."""

    access_key_id: str
    region: str
    service: str
    signed_at: datetime
    signed_headers: tuple[bytes, ...]
    presigned: bool
