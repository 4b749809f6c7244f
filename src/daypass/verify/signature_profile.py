"""The rules of a service for the signatures of its requests.

Owns the profiles of S3 and of services of one's own.
"""

from collections.abc import Callable

import msgspec

from daypass.authenticate.sigv4.canonical import PLAIN_FORM, S3_FORM, CanonicalForm
from daypass.verify.payload import UNSIGNED, PayloadForm, PayloadKind

IsRegion = Callable[[str], bool]


class SignatureProfile(msgspec.Struct, frozen=True):
    """The rules of a service for the signatures of its requests.

    - `form` is the canonical form of path and query.
    - `payload_kinds` are the accepted forms of a body.
    - `payload_required`: a header signature needs the header x-amz-content-sha256.
    - `presigned_payload` is the form of a presigned request that does not name one; None means the body's hash.
    - `home_region` is the region that a refusal of another region names.
    """

    service: str
    is_region: IsRegion
    form: CanonicalForm
    payload_kinds: frozenset[PayloadKind]
    payload_required: bool
    presigned_payload: PayloadForm | None
    home_region: str = ""


def s3_profile(is_region: IsRegion, home_region: str = "") -> SignatureProfile:
    """Return S3's profile. `is_region` decides which regions are served."""
    return SignatureProfile(
        service="s3",
        is_region=is_region,
        form=S3_FORM,
        payload_kinds=frozenset(PayloadKind),
        payload_required=True,
        presigned_payload=UNSIGNED,
        home_region=home_region,
    )


def plain_profile(service: str, is_region: IsRegion, home_region: str = "") -> SignatureProfile:
    """Return the profile of a service of one's own: the body is always signed."""
    return SignatureProfile(
        service=service,
        is_region=is_region,
        form=PLAIN_FORM,
        payload_kinds=frozenset({PayloadKind.HASH}),
        payload_required=False,
        presigned_payload=None,
        home_region=home_region,
    )
