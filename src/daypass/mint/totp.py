"""Time-based one-time passwords (TOTP).

Owns the arithmetic: six digits, thirty seconds, SHA-1, which every authenticator app supports. Leaves replay protection
and the lock after failures to the record of the MFA device.
Source: RFC 4226 5.3, RFC 6238 4.2; the window is AWS's.
"""

import hmac

STEP = 30
_DIGITS = 6
_MODULUS = 10**_DIGITS


def hotp(seed: bytes, counter: int) -> str:
    """Return the code of one counter."""
    digest = hmac.digest(seed, counter.to_bytes(8), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % _MODULUS:0{_DIGITS}d}"


def find_step(seed: bytes, code: str, *, now: int, window: int = 2) -> int | None:
    """Return the time step of `code`, or None if the code is not valid.

    It is at most `window` steps from `now`. Every step is compared, so the time does not show which matched.
    """
    # str.isdigit() alone accepts the digits of every script.
    if len(code) != _DIGITS or not code.isascii() or not code.isdigit():
        return None
    present = now // STEP
    found = None
    for step in range(max(present - window, 0), present + window + 1):
        if hmac.compare_digest(hotp(seed, step), code):
            found = step
    return found
