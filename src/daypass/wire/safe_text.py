"""Escape strings for XML elements and JSON.

Most control characters, which XML 1.0 cannot represent even escaped, become U+FFFD. A carriage return is a character
reference, because a parser would turn a bare one into a line feed.
"""

import re

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_SURROGATES = re.compile("[\ud800-\udfff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}
_REPLACEMENT = "\ufffd"
HARMLESS = bytes(octet for octet in range(0x20, 0x7F) if chr(octet) not in _ENTITIES) + b"\t\n"


def xml_text(text: str) -> str:
    """Return a string escaped for an element."""
    # Deleting the harmless bytes first is five times faster than a search on long tokens.
    if not text.encode("utf-8", "surrogatepass").translate(None, HARMLESS):
        return text
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], _REPLACEMENT), text)


def json_bytes(encoded: bytes) -> bytes:
    """Return a JSON document without characters of markup.

    Accept is not signed, and relays have parsed echoed strings of a JSON response as XML (CVE-2020-16250).
    """
    return encoded.replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")


def encodable(text: str) -> str:
    """Return a string that can be encoded: lone surrogates become U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub(_REPLACEMENT, text)
