"""Convert the strings of a request to integers, booleans, times and blobs.

Integers follow Java's Integer.parseInt, as on AWS: a sign and leading zeros are allowed; spaces, fractions and
exponents are not. An invalid value is MalformedInput without a message.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from daypass.errors import MalformedInput

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_INTEGER_RANGE = range(-(2**31), 2**31)
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}


def _read_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or (number := int(text)) not in _INTEGER_RANGE:
        raise ValueError("not an integer of 32 bits")
    return number


def _read_timestamp(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without its zone")
    return instant


SCALARS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _read_integer,
    "boolean": _BOOLEANS.__getitem__,
    "blob": lambda text: b64decode(text, validate=True),
    "timestamp": _read_timestamp,
}


def parse_scalar(convert: Callable[[str], Any], text: str, path: str) -> Any:
    """Return the value of a string, with one of SCALARS.

    Raises MalformedInput.
    """
    try:
        return convert(text)
    except (ValueError, KeyError) as error:
        raise MalformedInput(detail=f"{path} cannot be read as its type") from error
