"""Decode `application/x-www-form-urlencoded` data of a body or a query.

Of two parameters with one name, the first is used, as on AWS. Invalid UTF-8 and broken percent escapes are refused: a
guess could execute something other than the signed request.
"""

import re
from binascii import a2b_qp
from itertools import compress, repeat
from operator import contains

from daypass.errors import MalformedQueryString

# Calls have far fewer. A million empty names must not become a million strings.
MAX_PARAMETERS = 4_096

_WORDS = "The query string contains a syntax error."
_NOT_SEPARATORS = bytes(set(range(256)) - set(b"&="))
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def read_form(raw: bytes) -> dict[str, str]:
    """Return the decoded parameters of a form."""
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise MalformedQueryString(_WORDS, detail=f"more than {MAX_PARAMETERS} parameters")
    text = _as_text(raw)
    plain = _find_plain(raw, text)
    return _read_pairs(text.split("&")) if plain is None else plain


def _find_plain(raw: bytes, text: str) -> dict[str, str] | None:
    """Return the parameters if each pair has one =, and each name occurs once and has no escape."""
    count = raw.count(b"&") + 1
    if raw.translate(None, _NOT_SEPARATORS) != (b"=&" * count)[:-1]:
        return None
    parts = text.replace("&", "=").split("=")
    params = dict(zip(parts[::2], parts[1::2], strict=True))
    names = "".join(params)
    if len(params) != count or "%" in names or "+" in names:
        return None
    values = [value.replace("+", "%") for value in params.values()] if "+" in text else params.values()
    for name in [*compress(params, map(contains, values, repeat("%")))]:
        params[name] = _decoded(params[name])
    return params


def _read_pairs(pairs: list[str]) -> dict[str, str]:
    params: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if "%" in value or "+" in value:
            value = _decoded(value)
        if "%" in name or "+" in name:
            name = _decoded(name)
        if name not in params:
            params[name] = value
    return params


def _decoded(text: str) -> str:
    """Decode plus signs and percent escapes."""
    raw = text.replace("+", " ").encode()
    if _BROKEN_ESCAPE.search(raw):
        raise MalformedQueryString(_WORDS, detail="a broken percent escape")
    # Quoted-printable is the same encoding with another sign, and its decoder is written in C: ten million bytes of
    # escapes take milliseconds. Every sign has two digits here, so its other rules (soft line ends, lone signs) never
    # apply.
    return _as_text(a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"=")))


def _as_text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedQueryString(_WORDS, detail="not UTF-8") from error
