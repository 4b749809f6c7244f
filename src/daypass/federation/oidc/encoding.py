"""Canonical base64url: one spelling for one sequence of bytes.

Owns the decoding that tokens and keys share. Padding, the standard alphabet, white space and stray trailing
bits are refused, because a second spelling of a token defeats whoever remembers tokens by their text.
Source: RFC 7515 section 2 and appendix C.
"""

import binascii
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def parse_base64url(text: str) -> bytes:
    """Return the bytes that `text` spells canonically, or raise ValueError."""
    if not _ALPHABET.fullmatch(text):
        raise ValueError("not base64url")
    # translate() rather than the altchars of base64: the alphabet was checked above.
    padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    data = binascii.a2b_base64(padded, strict_mode=True)
    if binascii.b2a_base64(data, newline=False).decode("ascii") != padded:
        raise ValueError("not canonical base64url")
    return data
