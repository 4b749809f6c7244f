"""Whether a signature is meant for this server, and made about now.

Owns the checks that need no key, their order and AWS's words for each.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from daypass.authenticate.sigv4.signature import TERMINATOR, UnverifiedSignature
from daypass.authenticate.sigv4.timestamp import BASIC_FORMAT
from daypass.errors import SignatureDoesNotMatch

SKEW = timedelta(minutes=15)

# AWS ends the first two with a space, and joins what applies.
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
    """Raise SignatureDoesNotMatch unless the scope is ours, Host is signed and the time is near.

    `services` are the names that the API called for signs with, one as a rule.
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
    if not -SKEW <= now - unverified.signed_at <= SKEW:
        # Signatures know whole seconds only, and so does the sentence that refuses one.
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
    # A signature exactly fifteen minutes off is still good, in both directions.
    age = now - unverified.signed_at
    if age > SKEW:
        raise SignatureDoesNotMatch(
            f"Signature expired: {unverified.timestamp} is now earlier than {_basic(now - SKEW)} "
            f"({_basic(now)} - 15 min.)"
        )
    if -age > SKEW:
        raise SignatureDoesNotMatch(
            f"Signature not yet current: {unverified.timestamp} is still later than {_basic(now + SKEW)} "
            f"({_basic(now)} + 15 min.)"
        )


def _basic(instant: datetime) -> str:
    return instant.strftime(BASIC_FORMAT)
