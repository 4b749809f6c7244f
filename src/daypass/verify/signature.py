"""Verify the Signature Version 4 of a head, in the header or the query.

Owns the order of the checks:

- A request has one signature, in one place. Signature Version 2 is refused by name.
- The scope names the service, a region that is served, and the day of the signature.
- A header signature is valid for 15 minutes before and after its time. A presigned URL is valid for X-Amz-Expires
  seconds (1 to 604,800) from its time, and not longer than the session that signed it. Both bounds are inclusive; the
  end of a session is exclusive.
- Host and every x-amz-* header are signed, because the service reads them. Exception: in a presigned request,
  x-amz-content-sha256, whose value is a line of the canonical request in any case.
- The session token is given once, in the place where the signature is.
- A replay of a header signature within its 15 minutes is not detected, as on AWS.

Leaves keys to their provider, the checks without a key to signature_checks.py, parsing to authenticate/sigv4, and the
body to its verifier.
Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from collections.abc import Sequence
from datetime import datetime
from hmac import compare_digest

import msgspec

from daypass.authenticate.sigv4.canonical import (
    QueryPairs,
    canonical_headers,
    canonical_request,
    decode_query,
    encode_query,
)
from daypass.authenticate.sigv4.header import TOKEN_HEADER, parse_header
from daypass.authenticate.sigv4.presigned import REQUIRED, parse_presigned, select_parameters
from daypass.authenticate.sigv4.signature import ALGORITHM, UnverifiedSignature
from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.authenticate.sigv4.timestamp import parse_date_header, parse_timestamp
from daypass.authenticate.sigv4.verify import string_to_sign
from daypass.errors import ExpiredToken, IncompleteSignature, InvalidClientTokenId, SignatureDoesNotMatch
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.keys import KeyClaim, KeyGrant, Keys
from daypass.verify.payload import PayloadForm, find_payload_form
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.signature_checks import (
    CONTENT_SHA256,
    EXPIRES,
    check_expiry,
    check_scope,
    check_signed_headers,
    check_skew,
    find_payload,
    is_within_skew,
)
from daypass.verify.signature_profile import SignatureProfile, plain_profile, s3_profile
from daypass.verify.signature_template import (
    SignatureTemplate,
    SignedForm,
    find_stamp,
    find_template,
    keep_template,
    signed_form,
)

__all__ = ["SignatureProfile", "VerifiedRequest", "plain_profile", "s3_profile", "verify_head"]

_READ_TOO = frozenset({EXPIRES, CONTENT_SHA256})
# Parameters that only a presigned request may have, by their only spelling.
_SPELLINGS = {name.lower(): name for name in (*REQUIRED, EXPIRES, CONTENT_SHA256, "X-Amz-Security-Token")}
_SIGNATURE_VERSION_2 = frozenset({b"AWSAccessKeyId"})
_LONGEST_ECHO = 256


class VerifiedRequest(msgspec.Struct, frozen=True):
    """A request whose head was verified. Its body was not, unless unsigned.

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

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


def verify_head(
    head: RequestHead, keys: Keys, *, service: SignatureProfile, now: datetime, body_sha256: str | None = None
) -> VerifiedRequest | None:
    """Return the verified request, or None if it has no signature at all.

    `body_sha256` is the hash of the body, if it was read already. A plain service needs it if the request does not name
    the hash; else VerifyError has the reason PAYLOAD_MISSING. Raises VerifyError. Raises NotLoadedError, and Faults
    that are not about the key, from `keys`.
    """
    if head.outline is not None and not head.query and body_sha256 is None:
        before, _, signature = head.headers.get(b"authorization", b"").rpartition(b", Signature=")
        template = find_template(before, head.outline, service)
        if template is not None:
            verified = _verify_by_template(template, signature, head, keys, now)
            if verified is not None:
                return verified
    pairs = decode_query(head.query, service.form) if head.query else []
    parameters = _find_parameters(head, pairs) if pairs else None
    if parameters is None:
        if b"authorization" not in head.headers:
            return None
        unverified = _parse_header(head)
        declared = None
    else:
        unverified = _parse_presigned(parameters, head)
        declared = parameters.get(CONTENT_SHA256)
    check_scope(unverified, service)
    if parameters is None:
        check_skew(unverified, now)
    else:
        check_expiry(parameters, unverified, now)
    signed_headers, presigned = unverified.signed_headers, unverified.presigned
    form = signed_form(signed_headers)
    check_signed_headers(head, form.as_set, presigned=presigned)
    payload = find_payload(head, declared, service, body_sha256, presigned=presigned)
    query = encode_query(pairs) if pairs else b""
    canonical = _usual_canonical(head, query, form, service, payload)
    if canonical is None:
        canonical = _canonical(head, query, unverified, service, payload)
    scope = f"{unverified.date}/{unverified.region}/{unverified.service}/{unverified.terminator}"
    claim = _claim_of(unverified, string_to_sign(unverified.timestamp, scope, canonical))
    verified = _prove(claim, canonical, unverified.timestamp, scope, form.as_set, payload, keys, now)
    if parameters is None and not pairs:
        keep_template(head, unverified, form, scope, service)
    return verified


def _verify_by_template(
    template: SignatureTemplate, signature: bytes, head: RequestHead, keys: Keys, now: datetime
) -> VerifiedRequest | None:
    """Return the verified request, or None if verify_head() must look at the whole head.

    Every check that is not in the template is made here, on the values of this head.
    """
    headers, service = head.headers, template.service
    stamp, value = headers[b"x-amz-date"], headers[b"x-amz-content-sha256"]
    moment = find_stamp(stamp)
    payload = find_payload_form(value.decode("latin-1"))
    if moment is None or payload is None or payload.kind not in service.payload_kinds or not signature.isalnum():
        return None
    timestamp, date, signed_at = moment
    if date != template.date or not is_within_skew(signed_at, now) or not service.is_region(template.region):
        return None
    path = service.form.path(head.path)
    canonical = template.canonical % (head.method.encode(), path, *template.values(headers), value)
    if b"  " in canonical or b"\t" in canonical:
        return None
    token = headers.get(TOKEN_HEADER)
    claim = KeyClaim(
        template.access_key_id,
        None if token is None else token.decode("latin-1"),
        date,
        template.region,
        service.service,
        string_to_sign(timestamp, template.scope, canonical),
        signature.decode(),
        False,  # noqa: FBT003 - the hot path
        signed_at,
    )
    return _prove(claim, canonical, timestamp, template.scope, template.signed, payload, keys, now)


def _prove(  # noqa: PLR0913, PLR0917 - the parts of a verified request
    claim: KeyClaim,
    canonical: bytes,
    timestamp: str,
    scope: str,
    signed_headers: frozenset[bytes],
    payload: PayloadForm,
    keys: Keys,
    now: datetime,
) -> VerifiedRequest:
    """Return the verified request if the key of the claim makes its signature. Raises VerifyError."""
    grant = _find_grant(claim, keys, now)
    signing_key, caller, signature = grant.signing_key, grant.caller, claim.signature
    if not compare_digest(signing_key.sign(claim.string_to_sign.encode()).encode(), signature.encode()):
        raise _mismatch(claim, canonical)
    # The provider promises it too. A session that expires at noon is not valid at noon.
    if caller.expires is not None and now.timestamp() >= caller.expires:
        raise VerifyError(VerifyReason.EXPIRED_TOKEN)
    return VerifiedRequest(
        caller, payload, claim.presigned, signature, timestamp, scope, signing_key, signed_headers, claim.signed_at
    )


# Find the signature -----------------------------------------------------------------------------------------


def _find_parameters(head: RequestHead, pairs: QueryPairs) -> dict[str, str] | None:
    """Return the parameters of a presigned request, or None."""
    by_header = b"authorization" in head.headers
    telling = False
    for name, _ in pairs:
        if name in _SIGNATURE_VERSION_2:
            raise VerifyError(VerifyReason.TWO_MECHANISMS if by_header else VerifyReason.SIGNATURE_VERSION_2)
        text = name.decode("latin-1")
        spelling = _SPELLINGS.get(text.lower())
        if spelling is None:
            continue
        if by_header:
            raise VerifyError(VerifyReason.TWO_MECHANISMS)
        if text != spelling:
            # Another reader may not distinguish the two spellings.
            raise VerifyError(VerifyReason.QUERY_MALFORMED, f"The query parameter must be spelled {spelling}.")
        telling = True
    if not telling:
        return None
    try:
        found = select_parameters(pairs, also=_READ_TOO)
    except IncompleteSignature as fault:
        raise VerifyError(VerifyReason.QUERY_MALFORMED, fault.message, fault=fault) from fault
    return {} if found is None else found


def _parse_header(head: RequestHead) -> UnverifiedSignature:
    headers = head.headers
    authorization = headers[b"authorization"]
    if not authorization.startswith(b"AWS4-HMAC-SHA256 "):
        if authorization.startswith(b"AWS "):
            raise VerifyError(VerifyReason.SIGNATURE_VERSION_2)
        raise VerifyError(VerifyReason.ALGORITHM)
    try:
        return parse_header(authorization, headers)
    except IncompleteSignature as fault:
        reason = VerifyReason.HEADER_MALFORMED if _has_date(head) else VerifyReason.DATE
        raise VerifyError(reason, fault.message, fault=fault) from fault


def _has_date(head: RequestHead) -> bool:
    """Return whether the request has a date that can be parsed."""
    stamp, date = head.headers.get(b"x-amz-date"), head.headers.get(b"date", b"")
    try:
        if stamp is not None:
            parse_timestamp(stamp.decode("latin-1"))
        else:
            parse_date_header(date.decode("latin-1"))
    except IncompleteSignature:
        return False
    return True


def _parse_presigned(parameters: dict[str, str], head: RequestHead) -> UnverifiedSignature:
    if b"x-amz-security-token" in head.headers and "X-Amz-Security-Token" in parameters:
        raise VerifyError(VerifyReason.TOKEN_TWICE)
    try:
        unverified = parse_presigned(parameters, head.headers)
    except IncompleteSignature as fault:
        algorithm = parameters.get("X-Amz-Algorithm", ALGORITHM)
        reason = VerifyReason.QUERY_MALFORMED if algorithm == ALGORITHM else VerifyReason.ALGORITHM
        raise VerifyError(reason, fault.message, fault=fault) from fault
    return unverified


# Check it with the key --------------------------------------------------------------------------------------


def _usual_canonical(
    head: RequestHead, query: bytes, form: SignedForm, service: SignatureProfile, payload: PayloadForm
) -> bytes | None:
    """Return the canonical request if the signed values have no spaces to fold.

    Returns None for all others: those with a tab, or two spaces in a row. Values are trimmed, and the only control
    character in them is the tab (head.py).
    """
    template = form.template
    if template is None:
        return None
    try:
        values = form.values(head.headers)
    except KeyError:
        return None
    path = service.form.path(head.path)
    canonical = template % (head.method.encode(), path, query, *values, payload.value.encode())
    return None if b"  " in canonical or b"\t" in canonical else canonical


def _canonical(
    head: RequestHead,
    query: bytes,
    unverified: UnverifiedSignature,
    service: SignatureProfile,
    payload: PayloadForm,
) -> bytes:
    lines: Sequence[bytes] | None = canonical_headers(head.headers, unverified.signed_headers)
    if lines is None:
        message = "SignedHeaders names a header twice, or a header that is not in the request."
        raise VerifyError(VerifyReason.SIGNATURE_MISMATCH, message, fields={"AWSAccessKeyId": unverified.access_key_id})
    return canonical_request(
        head.method,
        service.form.path(head.path),
        query,
        lines,
        unverified.signed_headers,
        payload.value.encode(),
    )


def find_grant(unverified: UnverifiedSignature, text: str, keys: Keys, now: datetime) -> KeyGrant:
    """Return the grant for a signature over `text`. Raises VerifyError."""
    return _find_grant(_claim_of(unverified, text), keys, now)


def _claim_of(unverified: UnverifiedSignature, text: str) -> KeyClaim:
    return KeyClaim(
        unverified.access_key_id,
        unverified.token,
        unverified.date,
        unverified.region,
        unverified.service,
        text,
        unverified.signature,
        unverified.presigned,
        unverified.signed_at,
    )


def _find_grant(claim: KeyClaim, keys: Keys, now: datetime) -> KeyGrant:
    try:
        return keys.find(claim, now)
    except InvalidClientTokenId as fault:
        reason = VerifyReason.UNKNOWN_KEY if claim.token is None else VerifyReason.INVALID_TOKEN
        fields = {"AWSAccessKeyId": claim.access_key_id[:_LONGEST_ECHO]}
        raise VerifyError(reason, fields=fields, fault=fault) from fault
    except ExpiredToken as fault:
        raise VerifyError(VerifyReason.EXPIRED_TOKEN, fault=fault) from fault
    except SignatureDoesNotMatch as fault:
        fields = {"AWSAccessKeyId": claim.access_key_id[:_LONGEST_ECHO]}
        raise VerifyError(VerifyReason.SIGNATURE_MISMATCH, fields=fields, fault=fault) from fault


def _mismatch(claim: KeyClaim, canonical: bytes) -> VerifyError:
    text = claim.string_to_sign
    fields = {
        "AWSAccessKeyId": claim.access_key_id,
        "StringToSign": text,
        "SignatureProvided": claim.signature[:_LONGEST_ECHO],
        "StringToSignBytes": text.encode().hex(" "),
        "CanonicalRequest": canonical.decode("latin-1"),
        "CanonicalRequestBytes": canonical.hex(" "),
    }
    return VerifyError(VerifyReason.SIGNATURE_MISMATCH, fields=fields)
