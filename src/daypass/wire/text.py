"""Text that is safe to stand in an XML element or in JSON.

XML 1.0 has no way to write most control characters, not even escaped, and text with one of them is no XML:
they become U+FFFD. A carriage return is written as a reference, since a parser would turn a bare one into a
line feed.
"""

import re

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_SURROGATES = re.compile("[\ud800-\udfff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}
_REPLACEMENT = "\ufffd"
_HARMLESS = bytes(octet for octet in range(0x20, 0x7F) if chr(octet) not in _ENTITIES) + b"\t\n"


def xml_text(text: str) -> str:
    """Return a text as it stands in an element."""
    # Deleting the harmless bytes to see whether any is left beats a search five times on long tokens.
    if not text.encode("utf-8", "surrogatepass").translate(None, _HARMLESS):
        return text
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], _REPLACEMENT), text)


def json_bytes(encoded: bytes) -> bytes:
    """Return a JSON document in which no tool can see markup.

    Accept is not signed, and relays have taken echoed text in a JSON answer for XML (CVE-2020-16250).
    """
    return encoded.replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")


def encodable(text: str) -> str:
    """Return a text that can be encoded: lone surrogates become U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub(_REPLACEMENT, text)
