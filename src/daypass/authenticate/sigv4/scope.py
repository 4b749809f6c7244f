"""Check that a signature is meant for this server and was made recently.

Owns the checks without a key, their order and AWS's messages.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from daypass.authenticate.sigv4.signature import TERMINATOR, UnverifiedSignature
from daypass.authenticate.sigv4.timestamp import BASIC_FORMAT
from daypass.errors import SignatureDoesNotMatch

SKEW = timedelta(minutes=15)
_OLDEST = -SKEW

# AWS ends the first two with a space, and joins all messages that apply.
_WRONG_REGION = "Credential should be scoped to a valid region. "
_WRONG_SERVICE = "Credential should be scoped to correct service: {}. "
_WRONG_TERMINATOR = f"Credential should be scoped with a valid terminator: '{TERMINATOR}'."
_WRONG_DATE = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
_HOST_UNSIGNED = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."


def check_scope(
    unverified: UnverifiedSignature,
    *,
    services: frozenset[str],
    is_region: Callable[[str], bool],
    now: datetime,
) -> None:
    """Check the credential scope, the signed Host header and the time.

    `services` are the valid service names, usually one. Raises SignatureDoesNotMatch if the scope is not valid here,
    Host is not signed, or the time is not near.
    """
    region_fits = is_region(unverified.region)
    if (
        not region_fits
        or unverified.service not in services
        or unverified.terminator != TERMINATOR
        or unverified.date != unverified.timestamp[:8]
    ):
        raise SignatureDoesNotMatch(_wrong_scope(unverified, services, region_fits=region_fits))
    if b"host" not in unverified.signed_headers:
        raise SignatureDoesNotMatch(_HOST_UNSIGNED)
    if not _OLDEST <= now - unverified.signed_at <= SKEW:
        # Signatures contain whole seconds only, and so does the message that refuses one.
        _check_time(unverified, now.replace(microsecond=0))


def _wrong_scope(unverified: UnverifiedSignature, services: frozenset[str], *, region_fits: bool) -> str:
    first = "" if region_fits else _WRONG_REGION
    if unverified.service not in services:
        first += _WRONG_SERVICE.format(", ".join(f"'{service}'" for service in sorted(services)))
    last = []
    if unverified.terminator != TERMINATOR:
        last.append(_WRONG_TERMINATOR)
    if unverified.date != unverified.timestamp[:8]:
        last.append(_WRONG_DATE)
    return first + " ".join(last)


def _check_time(unverified: UnverifiedSignature, now: datetime) -> None:
    # A signature of exactly fifteen minutes ago, or ahead, is still valid.
    age = now - unverified.signed_at
    if age > SKEW:
        raise _skewed(
            "behind",
            f"Signature expired: {unverified.timestamp} is now earlier than {_basic(now - SKEW)} "
            f"({_basic(now)} - 15 min.)",
        )
    if -age > SKEW:
        raise _skewed(
            "ahead",
            f"Signature not yet current: {unverified.timestamp} is still later than {_basic(now + SKEW)} "
            f"({_basic(now)} + 15 min.)",
        )


def _skewed(direction: str, message: str) -> SignatureDoesNotMatch:
    fault = SignatureDoesNotMatch(message)
    fault.skew = direction
    return fault


def _basic(instant: datetime) -> str:
    return instant.strftime(BASIC_FORMAT)
