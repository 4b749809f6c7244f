"""Canonical base64url: one spelling for each sequence of bytes.

For tokens, keys, PKCE challenges and random strings. Padding, the standard alphabet, white space and stray trailing
bits are refused: a second spelling of a token would bypass a replay check.
Source: RFC 7515 section 2 and appendix C; RFC 4648 section 3.5.
"""

import base64
import binascii
import string

_ALPHABET = string.ascii_letters + string.digits + "-_"
# Maps base64url to the standard alphabet, and all other bytes (also padding, "+" and "/") to an invalid one.
_TO_STANDARD = bytes(
    {"-": ord("+"), "_": ord("/")}.get(chr(byte), byte if chr(byte) in _ALPHABET else 0) for byte in range(256)
)
# The valid last characters, by the length modulo four: others have spare bits.
_LAST = (_ALPHABET, "", "AQgw", "AEIMQUYcgkosw048")
_PADDING = (b"", b"", b"==", b"=")


def to_base64url(value: bytes) -> str:
    """Return `value` in base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def parse_base64url(text: str) -> bytes:
    """Return the bytes that `text` encodes.

    Raises ValueError if the encoding is not canonical.
    """
    try:
        return binascii.a2b_base64(to_standard_base64(text), strict_mode=True)
    except binascii.Error:
        raise ValueError("not base64url") from None


def to_standard_base64(text: str) -> bytes:
    """Return `text` in the standard alphabet, with padding.

    Each character of another alphabet becomes NUL, which a decoder has to refuse. Raises ValueError if the length or
    the last character is not canonical, or if a character is not ASCII.
    """
    rest = len(text) % 4
    if text and text[-1] not in _LAST[rest]:
        raise ValueError("not canonical base64url")
    try:
        return text.encode("ascii").translate(_TO_STANDARD) + _PADDING[rest]
    except UnicodeEncodeError:
        raise ValueError("not base64url") from None
