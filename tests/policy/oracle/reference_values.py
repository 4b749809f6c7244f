"""Compare one request value with one policy value, for the reference.

Slow on purpose, and written only from the documentation: IAM User Guide, "Condition operators" and "Variables and
tags". It shares no code with the engine, so that both agree only if both are correct.
"""

import base64
import binascii
import functools
import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Document = dict[str, Any]
Context = Mapping[str, str | tuple[str, ...]]
# A character of a pattern, and whether it is a wildcard.
Piece = tuple[str, bool]

_VARIABLE = re.compile(r"\$\{(?:(?P<escape>[*?$])|(?P<key>[^${}',]+?)(?:, '(?P<default>[^']*)')?)\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# W3C NOTE-datetime: a year, a month, a day, or a time to the minute, second or fraction with its zone.
_W3C = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?:Z|(?P<sign>[+-])(?P<zone_hour>\d\d):(?P<zone_minute>\d\d)))?)?)?",
    re.ASCII,
)


# Patterns ---------------------------------------------------------------------------------------------------


def pieces(text: str, *, variables: bool, context: Context) -> list[Piece] | None:
    """Substitute the variables of `text` once.

    Values never contain wildcards. Return None if a variable has no value.
    """
    result: list[Piece] = []
    at = 0
    while at < len(text):
        variable = _VARIABLE.match(text, at) if variables else None
        if variable is None:
            result.append((text[at], text[at] in "*?"))
            at += 1
            continue
        value = _value_of(variable, context)
        if value is None:
            return None
        result.extend((char, False) for char in value)
        at = variable.end()
    return result


def _value_of(variable: re.Match[str], context: Context) -> str | None:
    if variable["escape"]:
        return variable["escape"]
    value = context.get(variable["key"].lower(), variable["default"])
    # A key with several values cannot be a variable.
    return value if isinstance(value, str) else None


def globs(pattern: list[Piece], text: str) -> bool:
    """Match with the textbook's table.

    row[i] is true if the pattern so far matches i characters.
    """
    row = [True] + [False] * len(text)
    for char, wild in pattern:
        after = [row[0] and wild and char == "*"]
        for i, here in enumerate(text):
            if wild and char == "*":
                after.append(row[i + 1] or after[i])
            else:
                after.append(row[i] and (wild or char == here))
        row = after
    return row[len(text)]


def globs_resource(pattern: list[Piece], text: str) -> bool:
    """Match a Resource.

    A star at the end of one of the first five parts matches colons, other stars there do not. Written as plain
    recursion over both strings, with a cache.
    """
    colons = [sum(piece == (":", False) for piece in pattern[:i]) for i in range(len(pattern))]

    @functools.cache
    def matches(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(text)
        char, wild = pattern[i]
        ends_part = i + 1 == len(pattern) or pattern[i + 1] == (":", False)
        takes_colon = colons[i] >= 5 or (char == "*" and ends_part)
        fits = j < len(text) and (takes_colon or text[j] != ":" if wild else text[j] == char)
        if wild and char == "*":
            return matches(i + 1, j) or (fits and matches(i, j + 1))
        return fits and matches(i + 1, j + 1)

    return matches(0, 0)


def globs_arn(pattern: list[Piece], text: str) -> bool:
    """Match ArnLike: six parts, one by one. Only the sixth may contain colons."""
    parts: list[list[Piece]] = [[]]
    for piece in pattern:
        if piece == (":", False) and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(piece)
    texts = text.split(":", 5)
    return len(parts) == len(texts) == 6 and texts[0] == "arn" and all(map(globs, parts, texts))


# Numbers, dates, truth, addresses, bytes --------------------------------------------------------------------


def number(text: str) -> Decimal | None:
    """Parse an integer or decimal value; the whole string must parse."""
    return Decimal(text) if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text) else None


def instant(text: str) -> Fraction | None:
    """Parse a W3C date or an epoch count as seconds since 1970.

    Four digits are a year; fewer digits do not parse.
    """
    found = _W3C.fullmatch(text)
    if found is None:
        return Fraction(text) if re.fullmatch(r"[0-9]{5,}(\.[0-9]+)?", text) else None
    part = {name: int(value or 0) for name, value in found.groupdict().items() if name not in {"sign", "fraction"}}
    try:
        moment = datetime(
            part["year"], part["month"] or 1, part["day"] or 1,
            part["hour"], part["minute"], part["second"], tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    zone = timedelta(hours=part["zone_hour"], minutes=part["zone_minute"])
    seconds = Fraction((moment - _EPOCH) // timedelta(seconds=1)) + Fraction("0." + (found["fraction"] or "0"))
    return seconds - (-1 if found["sign"] == "-" else 1) * Fraction(zone // timedelta(seconds=1))


def truth(text: str) -> bool | None:
    """Parse true or false in any case."""
    return {"true": True, "false": False}.get(text.lower())


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Parse an address or a network.

    Host bits are ignored, and IPv4-mapped IPv6 is IPv4.
    """
    if "%" in text:  # a zone has a meaning only on one host
        return None
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is None or found.prefixlen < 96:
        return found
    return ipaddress.ip_network((mapped, found.prefixlen - 96), strict=False)


def address(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Parse one address, as a network of one address."""
    return None if "/" in text else network(text)


def is_within(
    inner: ipaddress.IPv4Network | ipaddress.IPv6Network, outer: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    """Return whether an address is in a network. IPv4 and IPv6 never match."""
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def octets(text: str) -> bytes | None:
    """Decode base64 strictly."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
