"""The time of a signature: X-Amz-Date, or else the Date header.

Leaves the comparison with the current time to scope.py.
Source: IAM User Guide, "Elements of an AWS API request signature"; RFC 9110 5.6.7 for the Date header.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from daypass.errors import IncompleteSignature

BASIC_FORMAT = "%Y%m%dT%H%M%SZ"
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_BASIC_LENGTH = 16
_LONGEST_HTTP_DATE = 64
_LONGEST_ECHO = 128


def parse_timestamp(text: str) -> datetime:
    """Return the instant of an ISO 8601 basic timestamp.

    X-Amz-Date allows this format only.
    """
    instant = _basic(text) if len(text) == _BASIC_LENGTH else None
    if instant is None:
        raise _bad_date(text)
    return instant


def parse_date_header(text: str) -> tuple[str, datetime]:
    """Return the basic timestamp and the instant of a Date header.

    The string to sign always contains the basic format.
    """
    if len(text) == _BASIC_LENGTH:
        return text, parse_timestamp(text)
    if len(text) > _LONGEST_HTTP_DATE:
        raise _bad_date(text)
    try:
        instant = parsedate_to_datetime(text)
        # RFC 5322 3.3: a zone of -0000 is UTC too, but Python returns it without a zone.
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise _bad_date(text) from error
    return instant.strftime(BASIC_FORMAT), instant


@lru_cache(maxsize=1024)
def _basic(text: str) -> datetime | None:
    match = _BASIC.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _bad_date(text: str) -> IncompleteSignature:
    return IncompleteSignature(
        f"Date must be in ISO-8601 'basic format'. Got '{text[:_LONGEST_ECHO]}'. "
        "See http://en.wikipedia.org/wiki/ISO_8601"
    )
