"""Compare the signature of a request with the one that its key makes.

This is the last step. Leaves the choice of the key to its caller.

- The body is always part of the signature: its hash is computed here and not read from a header. UNSIGNED-PAYLOAD, and
  a hash of another body, fail like any other wrong signature.
- The SDKs, aws-iam-authenticator (an empty body) and Vault (a form) sign in this way.

Source: IAM User Guide, "Create a signed AWS API request", steps 2 to 4.
"""

from hashlib import sha256
from hmac import compare_digest

from daypass.authenticate.sigv4.canonical import (
    Headers,
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    fold_headers,
)
from daypass.authenticate.sigv4.header import TOKEN_HEADER
from daypass.authenticate.sigv4.signature import ALGORITHM, UnverifiedSignature, VerifiedSignature
from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.errors import SignatureDoesNotMatch
from daypass.wire.http import HttpRequest

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
_TOKEN_UNSIGNED = "'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization."  # noqa: S105 - a message


def verify_signature(
    unverified: UnverifiedSignature, request: HttpRequest, *, signing_key: SigV4SigningKey
) -> VerifiedSignature:
    """Return the verified signature, or raise SignatureDoesNotMatch.

    `signing_key` is for the claimed access key, date, region and service. Unsigned headers may have any value, since
    proxies add their own; the only one that affects the decision, a session token, must be signed. x-amz-content-sha256
    is ignored: the hash of the actual body counts.
    """
    if request.truncated:
        # It reads as empty, and a signature over an empty body must not cover a long one.
        raise SignatureDoesNotMatch(_MISMATCH, detail="the body is too long to be read")
    signed, by_name, template = unverified.signed_headers, request.by_name, unverified.template
    headers = fold_headers(request.headers) if by_name is None else by_name
    if TOKEN_HEADER in headers and TOKEN_HEADER not in signed:
        raise SignatureDoesNotMatch(_TOKEN_UNSIGNED)
    payload = sha256(request.body).hexdigest().encode()
    canonical = None
    if (
        template is not None
        and by_name is not None
        and request.method == "POST"
        and request.path == b"/"
        and not request.query
    ):
        canonical, scope = template.fill(by_name, payload), template.scope
    if canonical is None:
        canonical = _canonical(request, headers, signed, payload)
        scope = f"{unverified.date}/{unverified.region}/{unverified.service}/{unverified.terminator}"
    expected = signing_key.sign(string_to_sign(unverified.timestamp, scope, canonical).encode())
    if not compare_digest(expected.encode(), unverified.signature.encode()):
        raise SignatureDoesNotMatch(_MISMATCH)
    return VerifiedSignature(
        unverified.access_key_id,
        unverified.region,
        unverified.service,
        unverified.signed_at,
        signed,
        unverified.presigned,
    )


def _canonical(request: HttpRequest, headers: Headers, signed: tuple[bytes, ...], payload: bytes) -> bytes:
    lines = canonical_headers(headers, signed)
    if lines is None:
        raise SignatureDoesNotMatch(_MISMATCH, detail="a signed header is not in the request, or is named twice")
    return canonical_request(
        request.method,
        b"/" if request.path == b"/" else canonical_path(request.path),
        canonical_query(request.query) if request.query else b"",
        lines,
        signed,
        payload,
    )


def string_to_sign(timestamp: str, scope: str, canonical: bytes) -> str:
    """Return the string that the signature is computed over."""
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical).hexdigest()}"
