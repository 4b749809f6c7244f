"""Read text and attributes of elements in exactly one way, or raise.

A value is text only, because two readers would disagree about a child element inside it. White space around a name is
neither trimmed nor accepted: trimming would make two names equal.
"""

import re
import unicodedata
from datetime import datetime

from lxml import etree

from daypass.federation.saml.saml_faults import malformed

_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,12}))?Z")
_NAME_LENGTH = 2048
# Controls, format characters (including bidirectional overrides), surrogates, private use and unassigned.
_UNSPEAKABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace, for messages."""
    return etree.QName(element).localname


def read_text(element: etree._Element) -> str:
    """Return the text of an element that contains only text."""
    if len(element):
        raise malformed(f"{local_name(element)} contains an element where text is expected")
    return element.text or ""


def read_name(element: etree._Element) -> str:
    """Return the text of an element that is a name."""
    name = read_text(element)
    problem = find_problem_with_name(name)
    if problem:
        raise malformed(f"{local_name(element)} {problem}")
    return name


def find_problem_with_name(name: str) -> str | None:
    """Return why `name` is not safe in ARNs, logs and comparisons, or None."""
    if not name:
        return "is empty"
    if len(name) > _NAME_LENGTH:
        return f"is longer than {_NAME_LENGTH} characters"
    if name != name.strip():
        return "has white space around its value"
    # A shortcut: a printable string has no character of these categories.
    if not name.isprintable() and any(unicodedata.category(character) in _UNSPEAKABLE for character in name):
        return "contains a control or formatting character"
    return None


def require_attribute(element: etree._Element, name: str) -> str:
    """Return a required attribute."""
    value = element.get(name)
    if value is None:
        raise malformed(f"{local_name(element)} has no {name}")
    return value


def find_instant(element: etree._Element, name: str) -> datetime | None:
    """Return the instant in an attribute, or None without the attribute."""
    value = element.get(name)
    return None if value is None else parse_instant(value, what=f"{local_name(element)} {name}")


def parse_instant(value: str, *, what: str) -> datetime:
    """Return an instant in the format of SAML.

    UTC, with a Z (SAML core 1.3.3). Fractions are truncated to microseconds.
    """
    parts = _INSTANT.fullmatch(value)
    if not parts:
        raise malformed(f"{what} is not a UTC time like 2026-01-31T12:00:00Z: {value[:40]!r}")
    try:
        instant = datetime.fromisoformat(f"{parts[1]}+00:00")
    except ValueError:
        raise malformed(f"{what} is not a valid date and time: {value[:40]!r}") from None
    return instant.replace(microsecond=int(parts[2][:6].ljust(6, "0"))) if parts[2] else instant
