"""The signature of a head: Signature Version 4 in header or query.

Owns the order of the checks.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.keys import Keys
from daypass.verify.payload import PayloadForm, PayloadKind


class SignatureProfile(msgspec.Struct, frozen=True):
    """The rules of a service for the signatures of its requests.

    `s3_encoding` selects S3's canonical form: the path is encoded once, and a plus sign in a query is a plus sign.
    """

    service: str
    is_region: Callable[[str], bool]
    s3_encoding: bool
    payload_kinds: frozenset[PayloadKind]
    home_region: str = ""
    """The region that a refusal of another region names."""


class VerifiedRequest(msgspec.Struct, frozen=True):
    """A request whose signature was verified; its body was not, unless unsigned.

    `signature`, `timestamp`, `scope` and `signing_key` verify the chunks of the body. `signed_headers` are lower case.
    """

    caller: VerifiedCaller
    payload: PayloadForm
    presigned: bool
    signature: str
    timestamp: str
    scope: str
    signing_key: SigV4SigningKey
    signed_headers: frozenset[bytes]
    signed_at: datetime


def s3_profile(is_region: Callable[[str], bool], home_region: str = "") -> SignatureProfile:
    """Return S3's profile. `is_region` decides which regions are served."""
    return SignatureProfile("s3", is_region, True, frozenset(PayloadKind), home_region)  # noqa: FBT003


def plain_profile(service: str, is_region: Callable[[str], bool], home_region: str = "") -> SignatureProfile:
    """Return the profile of a service of one's own."""
    return SignatureProfile(service, is_region, False, frozenset({PayloadKind.HASH}), home_region)  # noqa: FBT003


def verify_head(
    head: RequestHead, keys: Keys, *, service: SignatureProfile, now: datetime, body_sha256: str | None = None
) -> VerifiedRequest | None:
    """Return the verified request, or None if it has no signature at all.

    Raises VerifyError. Raises NotLoadedError, and Faults other than those about the key, from `keys`.
    """
    raise NotImplementedError
