"""Verify the signature of a head: Signature Version 4 in the header or in the query.

Owns the order of the checks and the rules of a service (SignatureProfile):

- A request has one signature, in one place. Signature Version 2 is refused by name.
- The scope names the service, a region that is served, and the day of the signature.
- A header signature is valid for 15 minutes before and after its time. A presigned URL is valid for X-Amz-Expires
  seconds (1 to 604,800) from its time, and not longer than the session that signed it. Both bounds are inclusive; the
  end of a session is exclusive.
- Host and every x-amz-* header are signed, because the service reads them. Exception: in a presigned request,
  x-amz-content-sha256, whose value is a line of the canonical request in any case.
- The session token is given once, in the place where the signature is.
- A replay of a header signature within its 15 minutes is not detected, as on AWS.

Leaves keys to their provider, parsing to authenticate/sigv4, and the body to its verifier.
Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest

import msgspec

from daypass.authenticate.sigv4.canonical import (
    PLAIN_FORM,
    S3_FORM,
    CanonicalForm,
    QueryPairs,
    canonical_headers,
    canonical_request,
    decode_query,
    encode_query,
)
from daypass.authenticate.sigv4.header import parse_header
from daypass.authenticate.sigv4.presigned import REQUIRED, parse_presigned, select_parameters
from daypass.authenticate.sigv4.scope import SKEW
from daypass.authenticate.sigv4.signature import ALGORITHM, TERMINATOR, UnverifiedSignature
from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.authenticate.sigv4.timestamp import BASIC_FORMAT, parse_date_header, parse_timestamp
from daypass.authenticate.sigv4.verify import string_to_sign
from daypass.errors import ExpiredToken, IncompleteSignature, InvalidClientTokenId, SignatureDoesNotMatch
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.keys import KeyClaim, KeyGrant, Keys
from daypass.verify.payload import EMPTY_SHA256, UNSIGNED, PayloadForm, PayloadKind, find_payload_form
from daypass.verify.refusals import VerifyError, VerifyReason

_EXPIRES = "X-Amz-Expires"
_CONTENT_SHA256 = "X-Amz-Content-Sha256"
_READ_TOO = frozenset({_EXPIRES, _CONTENT_SHA256})
# Parameters that only a presigned request may have, by their only spelling.
_SPELLINGS = {name.lower(): name for name in (*REQUIRED, _EXPIRES, _CONTENT_SHA256, "X-Amz-Security-Token")}
_SIGNATURE_VERSION_2 = frozenset({b"AWSAccessKeyId"})
_SECONDS = re.compile(r"[1-9][0-9]{0,5}")
_LONGEST_EXPIRES = 604_800
_CONTENT_HEADER = b"x-amz-content-sha256"
_AMZ = b"x-amz-"
_LONGEST_ECHO = 256

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


def verify_head(
    head: RequestHead, keys: Keys, *, service: SignatureProfile, now: datetime, body_sha256: str | None = None
) -> VerifiedRequest | None:
    """Return the verified request, or None if it has no signature at all.

    `body_sha256` is the hash of the body, if it was read already. A plain service needs it if the request does not name
    the hash; else VerifyError has the reason PAYLOAD_MISSING. Raises VerifyError. Raises NotLoadedError, and Faults
    that are not about the key, from `keys`.
    """
    pairs = decode_query(head.query, service.form) if head.query else []
    parameters = _find_parameters(head, pairs) if pairs else None
    if parameters is None:
        if b"authorization" not in head.headers:
            return None
        unverified = _parse_header(head)
        declared = None
    else:
        unverified = _parse_presigned(parameters, head)
        declared = parameters.get(_CONTENT_SHA256)
    _check_scope(unverified, service)
    if parameters is None:
        _check_skew(unverified, now)
    else:
        _check_expiry(parameters, unverified, now)
    signed = frozenset(unverified.signed_headers)
    _check_signed_headers(head, signed, presigned=unverified.presigned)
    payload = _find_payload(head, declared, service, body_sha256, presigned=unverified.presigned)
    canonical = _canonical(head, pairs, unverified, service, payload)
    text = string_to_sign(unverified, canonical)
    grant = _find_grant(unverified, text, keys, now)
    expected = grant.signing_key.sign(text.encode())
    if not compare_digest(expected.encode(), unverified.signature.encode()):
        raise _mismatch(unverified, text, canonical)
    caller = grant.caller
    # The provider promises it too. A session that expires at noon is not valid at noon.
    if caller.expires is not None and now.timestamp() >= caller.expires:
        raise VerifyError(VerifyReason.EXPIRED_TOKEN)
    return VerifiedRequest(
        caller,
        payload,
        unverified.presigned,
        unverified.signature,
        unverified.timestamp,
        f"{unverified.date}/{unverified.region}/{unverified.service}/{TERMINATOR}",
        grant.signing_key,
        signed,
        unverified.signed_at,
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
    if _EXPIRES not in parameters:
        raise VerifyError(VerifyReason.QUERY_MALFORMED, f"AWS query-string parameters must include '{_EXPIRES}'.")
    seconds = parameters[_EXPIRES]
    if not _SECONDS.fullmatch(seconds) or int(seconds) > _LONGEST_EXPIRES:
        raise VerifyError(VerifyReason.EXPIRES, fields={_EXPIRES: seconds[:_LONGEST_ECHO]})
    return unverified


# Check it without a key -------------------------------------------------------------------------------------


def _check_scope(unverified: UnverifiedSignature, service: SignatureProfile) -> None:
    if unverified.service != service.service:
        message = f"The scope of the signature must name the service '{service.service}'."
        raise VerifyError(VerifyReason.WRONG_SERVICE, message, fields={"Service": service.service})
    if not service.is_region(unverified.region):
        region = service.home_region
        expected = f"; expecting '{region}'" if region else ""
        message = f"The region '{unverified.region[:_LONGEST_ECHO]}' is wrong{expected}."
        raise VerifyError(VerifyReason.WRONG_REGION, message, fields={"Region": region} if region else {})
    if unverified.terminator != TERMINATOR:
        raise VerifyError(VerifyReason.WRONG_TERMINATOR)
    if unverified.date != unverified.timestamp[:8]:
        raise VerifyError(VerifyReason.WRONG_DATE)


def _check_skew(unverified: UnverifiedSignature, now: datetime) -> None:
    if -SKEW <= now - unverified.signed_at <= SKEW:
        return
    fields = {
        "RequestTime": unverified.timestamp,
        "ServerTime": now.strftime(BASIC_FORMAT),
        "MaxAllowedSkewMilliseconds": str(int(SKEW.total_seconds() * 1000)),
    }
    message = (
        f"The time of the signature ({unverified.timestamp}) and the time of the server ({fields['ServerTime']}) "
        "differ by more than 15 minutes. Set the clock of the client, and sign again."
    )
    raise VerifyError(VerifyReason.TOO_SKEWED, message, fields=fields)


def _check_expiry(parameters: dict[str, str], unverified: UnverifiedSignature, now: datetime) -> None:
    age = now - unverified.signed_at
    lifetime = timedelta(seconds=int(parameters[_EXPIRES]))
    if age < -SKEW:
        raise VerifyError(VerifyReason.URL_NOT_YET_VALID)
    if age > lifetime:
        fields = {
            _EXPIRES: parameters[_EXPIRES],
            "Expires": _iso(unverified.signed_at + lifetime),
            "ServerTime": _iso(now),
        }
        raise VerifyError(VerifyReason.URL_EXPIRED, fields=fields)


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_signed_headers(head: RequestHead, signed: frozenset[bytes], *, presigned: bool) -> None:
    unsigned = [name for name in head.headers if name not in signed and name.startswith(_AMZ)]
    if presigned and _CONTENT_HEADER in unsigned:
        unsigned.remove(_CONTENT_HEADER)
    if b"host" not in signed:
        unsigned.insert(0, b"host")
    if unsigned:
        names = ", ".join([name.decode() for name in sorted(unsigned)])
        message = f"There were headers present in the request which were not signed: {names}"
        raise VerifyError(VerifyReason.HEADERS_NOT_SIGNED, message, fields={"HeadersNotSigned": names})


def _find_payload(
    head: RequestHead, declared: str | None, service: SignatureProfile, body_sha256: str | None, *, presigned: bool
) -> PayloadForm:
    header = head.headers.get(_CONTENT_HEADER)
    if header is not None and declared is not None:
        raise VerifyError(VerifyReason.PAYLOAD_INVALID, f"{_CONTENT_SHA256} is in a header and in the query.")
    value = declared if header is None else header.decode("latin-1")
    if value is None:
        return _payload_without_value(head, service, body_sha256, presigned=presigned)
    form = find_payload_form(value)
    if form is None or form.kind not in service.payload_kinds:
        accepted = ", ".join(sorted(kind.value for kind in service.payload_kinds))
        message = f"x-amz-content-sha256 must be one of: {accepted}. Got '{value[:_LONGEST_ECHO]}'."
        raise VerifyError(VerifyReason.PAYLOAD_INVALID, message)
    if body_sha256 is not None and form.kind is PayloadKind.HASH and value != body_sha256:
        fields = {"ClientComputedContentSHA256": value, "S3ComputedContentSHA256": body_sha256}
        raise VerifyError(VerifyReason.BODY_HASH, fields=fields)
    return form


def _payload_without_value(
    head: RequestHead, service: SignatureProfile, body_sha256: str | None, *, presigned: bool
) -> PayloadForm:
    if presigned and service.presigned_payload is not None:
        return service.presigned_payload
    if service.payload_required:
        raise VerifyError(
            VerifyReason.PAYLOAD_MISSING, "Missing required header for this request: x-amz-content-sha256"
        )
    if body_sha256 is not None:
        return PayloadForm(PayloadKind.HASH, body_sha256)
    if head.content_length or head.chunked:
        raise VerifyError(VerifyReason.PAYLOAD_MISSING)
    return PayloadForm(PayloadKind.HASH, EMPTY_SHA256)


# Check it with the key --------------------------------------------------------------------------------------


def _canonical(
    head: RequestHead,
    pairs: QueryPairs,
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
        encode_query(pairs) if pairs else b"",
        lines,
        unverified.signed_headers,
        payload.value.encode(),
    )


def _find_grant(unverified: UnverifiedSignature, text: str, keys: Keys, now: datetime) -> KeyGrant:
    claim = KeyClaim(
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


def _mismatch(unverified: UnverifiedSignature, text: str, canonical: bytes) -> VerifyError:
    fields = {
        "AWSAccessKeyId": unverified.access_key_id,
        "StringToSign": text,
        "SignatureProvided": unverified.signature[:_LONGEST_ECHO],
        "StringToSignBytes": text.encode().hex(" "),
        "CanonicalRequest": canonical.decode("latin-1"),
        "CanonicalRequestBytes": canonical.hex(" "),
    }
    return VerifyError(VerifyReason.SIGNATURE_MISMATCH, fields=fields)
