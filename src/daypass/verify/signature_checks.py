"""The checks of a signature that do not need its key.

Owns scope, time, signed headers and payload form, and the reason of each refusal.
"""

import re
from datetime import datetime, timedelta

from daypass.authenticate.sigv4.scope import SKEW
from daypass.authenticate.sigv4.signature import TERMINATOR, UnverifiedSignature
from daypass.authenticate.sigv4.timestamp import BASIC_FORMAT
from daypass.bounded_memory import BoundedMemory
from daypass.verify.head import RequestHead
from daypass.verify.payload import EMPTY_SHA256, PayloadForm, PayloadKind, find_payload_form
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.signature_profile import SignatureProfile

EXPIRES = "X-Amz-Expires"
CONTENT_SHA256 = "X-Amz-Content-Sha256"
_SECONDS = re.compile(r"[1-9][0-9]{0,5}")
_LONGEST_EXPIRES = 604_800
_CONTENT_HEADER = b"x-amz-content-sha256"
_AMZ = b"x-amz-"
_LONGEST_ECHO = 256
_BACK = -SKEW
_LONGEST_LISTS = 1_024  # bytes
_unsigned: BoundedMemory[tuple[tuple[bytes, ...], frozenset[bytes]], tuple[bytes, ...]] = BoundedMemory(512)


def check_scope(unverified: UnverifiedSignature, service: SignatureProfile) -> None:
    """Check that the scope is for this service, region and day."""
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


def is_within_skew(signed_at: datetime, now: datetime) -> bool:
    """Return whether a header signature was made within 15 minutes."""
    return _BACK <= now - signed_at <= SKEW


def check_skew(unverified: UnverifiedSignature, now: datetime) -> None:
    """Check that a header signature was made within 15 minutes."""
    if is_within_skew(unverified.signed_at, now):
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


def check_expiry(parameters: dict[str, str], unverified: UnverifiedSignature, now: datetime) -> None:
    """Check the lifetime of a presigned URL, and that it has not ended."""
    lifetime = _find_lifetime(parameters)
    age = now - unverified.signed_at
    if age < -SKEW:
        raise VerifyError(VerifyReason.URL_NOT_YET_VALID)
    if age > lifetime:
        fields = {
            EXPIRES: parameters[EXPIRES],
            "Expires": _iso(unverified.signed_at + lifetime),
            "ServerTime": _iso(now),
        }
        raise VerifyError(VerifyReason.URL_EXPIRED, fields=fields)


def _find_lifetime(parameters: dict[str, str]) -> timedelta:
    if EXPIRES not in parameters:
        raise VerifyError(VerifyReason.QUERY_MALFORMED, f"AWS query-string parameters must include '{EXPIRES}'.")
    seconds = parameters[EXPIRES]
    if not _SECONDS.fullmatch(seconds) or int(seconds) > _LONGEST_EXPIRES:
        raise VerifyError(VerifyReason.EXPIRES, fields={EXPIRES: seconds[:_LONGEST_ECHO]})
    return timedelta(seconds=int(seconds))


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_signed_headers(head: RequestHead, signed: frozenset[bytes], *, presigned: bool) -> None:
    """Check that Host and the x-amz-* headers are signed."""
    unsigned = list(_unsigned_names(tuple(head.headers), signed))
    if presigned and _CONTENT_HEADER in unsigned:
        unsigned.remove(_CONTENT_HEADER)
    if b"host" not in signed:
        unsigned.insert(0, b"host")
    if unsigned:
        names = ", ".join([name.decode() for name in sorted(unsigned)])
        message = f"There were headers present in the request which were not signed: {names}"
        raise VerifyError(VerifyReason.HEADERS_NOT_SIGNED, message, fields={"HeadersNotSigned": names})


def _unsigned_names(names: tuple[bytes, ...], signed: frozenset[bytes]) -> tuple[bytes, ...]:
    """Return the x-amz-* headers that are not signed. Clients have few lists of headers."""
    known = _unsigned.get((names, signed))
    if known is not None:
        return known
    found = tuple(name for name in names if name not in signed and name.startswith(_AMZ))
    size = sum(map(len, names)) + sum(map(len, signed))
    return _unsigned.put((names, signed), found) if size <= _LONGEST_LISTS else found


def find_payload(
    head: RequestHead, declared: str | None, service: SignatureProfile, body_sha256: str | None, *, presigned: bool
) -> PayloadForm:
    """Return the form of the body, as the request declares it.

    `declared` is the value in the query of a presigned request.
    """
    header = head.headers.get(_CONTENT_HEADER)
    if header is not None and declared is not None:
        raise VerifyError(VerifyReason.PAYLOAD_INVALID, f"{CONTENT_SHA256} is in a header and in the query.")
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
