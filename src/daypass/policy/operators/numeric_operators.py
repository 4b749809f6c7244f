"""Compare quantities: numbers, dates, addresses and bytes.

Owns parsing, the same for policy and request, and comparison. A value that does not parse yields None, and the
statement fails closed: an Allow does not apply, a Deny does. Source: IAM User Guide, "Condition operators": Numeric,
Date, Binary and IP address; W3C "Date and Time Formats".
"""

import base64
import binascii
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType
from typing import Any

from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.operators.string_operators import Fits
from daypass.policy.operators.table import Relation

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_EPOCH = re.compile(r"(?![0-9]{4}\Z)[0-9]{1,15}(?:\.[0-9]{1,9})?")
_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,12}))?)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2})))?)?)?"
)
_PREFIX = re.compile(r"[0-9]{1,3}")
_MAPPED = 96  # the length of ::ffff:0:0 in bits
_LONGEST_ADDRESS = 64  # characters, with room to spare
_WIDTH: Mapping[int, int] = MappingProxyType({4: 32, 6: 128})
_START = datetime(1970, 1, 1, tzinfo=UTC)
_COMPARE: Mapping[Relation, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        Relation.EQUAL: operator.eq,
        Relation.LESS: operator.lt,
        Relation.LESS_OR_EQUAL: operator.le,
        Relation.GREATER: operator.gt,
        Relation.GREATER_OR_EQUAL: operator.ge,
    }
)

Network = tuple[int, int, int]
"""The IP version, the number of host bits, and the address without them."""


def find_number(text: str) -> Decimal | None:
    """Return the number, exactly as written, or None if it does not parse.

    `10abc` does not parse.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def find_instant(text: str) -> Decimal | None:
    """Return the seconds since 1970 of a date or of epoch seconds, or None.

    Four digits are a year; other digits are seconds. A date without a time means midnight UTC; a time must have its
    zone.
    """
    if _EPOCH.fullmatch(text):
        return Decimal(text)
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = found.groups()
    try:
        offset = timedelta(hours=int(zone_hour or 0), minutes=int(zone_minute or 0))
        zone = timezone(-offset if sign == "-" else offset)
        clock = time(int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone)
        moment = datetime.combine(date(int(year), int(month or 1), int(day or 1)), clock)
        since = moment - _START
    except (ValueError, OverflowError):
        return None
    if int(zone_minute or 0) >= 60:  # noqa: PLR2004 - minutes of an hour
        return None
    return since.days * 86_400 + since.seconds + Decimal(f"0.{fraction or 0}")


@lru_cache(maxsize=4096)  # the same few callers send requests again and again
def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def find_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, or None. An IPv4-mapped IPv6 address becomes IPv4."""
    if len(text) > _LONGEST_ADDRESS:
        return None
    address = _parse_address(text)
    if isinstance(address, IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address


@lru_cache(maxsize=4096)
def _locate(text: str) -> tuple[int, int] | None:
    """Return the version and the number of an address, or None."""
    address = find_address(text)
    return None if address is None else (address.version, int(address))


def find_network(text: str) -> Network | None:
    """Return the network of a CIDR or of a single address, or None.

    Host bits are ignored.
    """
    base, slash, length = text.partition("/")
    address = find_address(base)
    if address is None or (slash and not _PREFIX.fullmatch(length)):
        return None
    width = _WIDTH[address.version]
    kept = int(length) if slash else width
    if slash and address.version == 4 and ":" in base:  # noqa: PLR2004 - IPv4, written as IPv6
        kept -= _MAPPED
    if not 0 <= kept <= width:
        return None
    return (address.version, width - kept, int(address) >> (width - kept))


def find_bytes(text: str) -> bytes | None:
    """Return the decoded base64, or None if it is invalid."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def ordered(find: Callable[[str], Any], relation: Relation, values: Sequence[str]) -> Fits:
    """Compare values that `find` can parse and order."""
    compare = _COMPARE[relation]
    wanted = [find(text) for text in values]
    readable = [value for value in wanted if value is not None]
    otherwise = None if len(readable) < len(wanted) else False

    def fits(value: str, _: ConditionKeys) -> bool | None:
        had = find(value)
        if had is None:
            return None
        for one in readable:
            if compare(had, one):
                return True
        return otherwise

    return fits


def in_networks(values: Sequence[str]) -> Fits:
    """Match an address in one of the networks. IPv4 never equals IPv6."""
    wanted = [find_network(text) for text in values]
    readable = [network for network in wanted if network is not None]
    otherwise = None if len(readable) < len(wanted) else False

    def fits(value: str, _: ConditionKeys) -> bool | None:
        # Longer strings are not kept in memory: the sender chooses their length.
        located = _locate(value) if len(value) <= _LONGEST_ADDRESS else None
        if located is None:
            return None
        version, number = located
        for of_version, ignored, base in readable:
            if of_version == version and number >> ignored == base:
                return True
        return otherwise

    return fits
