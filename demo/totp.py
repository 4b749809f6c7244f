"""What an authenticator app does with the seed that it was shown: RFC 6238."""

import base64
import hmac
import struct
import time

_STEP = 30  # seconds


def code(seed: str, *, steps_ahead: int = 0) -> str:
    """Return the six digits that an app shows now, or some steps of thirty seconds from now."""
    counter = struct.pack(">Q", int(time.time()) // _STEP + steps_ahead)
    digest = hmac.digest(base64.b32decode(seed), counter, "sha1")
    at = digest[-1] & 15
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"
