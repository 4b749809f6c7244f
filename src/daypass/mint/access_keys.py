"""Access key IDs, secret access keys and unique IDs.

Owns their formats.

- An access key ID contains its account, as AWS's do: the prefix, then 80 bits in base32. The first bit is set, the next
  40 are the account number, the rest is random.
- An ID with a clear first bit has the older format, which does not contain the account.

Source: the IDs that AWS issues, and AWS's answers to sts:GetAccessKeyInfo; IAM User Guide, "Unique identifiers".
"""

import base64
import binascii
import re
from functools import lru_cache
from typing import Literal

from daypass.mint.secret import Secret
from daypass.ports import Entropy

_ACCESS_KEY_ID = re.compile(r"A[KS]IA([A-Z2-7]{16})")
_RANDOM_BITS = 39
_ACCOUNT_MASK = (1 << 40) - 1
_CARRIES_ACCOUNT = 1 << 79
_ACCOUNTS = 10**12
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_KEY_ID_LENGTH, _PREFIX_LENGTH, _PACKED_BYTES = 20, 4, 10
# From base32 to the digits of int(). Every other character becomes one that int() refuses.
_DIGITS = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[_BASE32.index(chr(byte))] if chr(byte) in _BASE32 else ord("!")
    for byte in range(256)
)
_PAIRS = tuple(first + second for first in _BASE32 for second in _BASE32)  # ten bits each
_SHIFTS = tuple(range(70, -1, -10))
_TEN_BITS = (1 << 10) - 1

KEY_ID_ENTROPY = 5  # bytes, of which 39 bits are used

SECRET_ENTROPY = 30  # bytes: forty characters of base64, without padding
_UNIQUE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_UNIQUE_LENGTH = 17
# Forty bits more than needed, so that characters are equally likely.
_UNIQUE_BYTES = 16


def new_access_key_id(prefix: Literal["AKIA", "ASIA"], account: str, entropy: Entropy) -> str:
    """Return a new access key ID for `account`, a string of twelve digits."""
    return access_key_id_of(prefix, account, entropy(KEY_ID_ENTROPY))


def access_key_id_of(prefix: Literal["AKIA", "ASIA"], account: str, random: bytes) -> str:
    """Return the access key ID for `account` with these five random bytes."""
    start, lowest = _first_half(prefix, account)
    bits, pairs = lowest | int.from_bytes(random) >> 1, _PAIRS
    # Written out, without a loop: every new session comes here.
    return (
        f"{start}{pairs[bits >> 30]}{pairs[bits >> 20 & _TEN_BITS]}"
        f"{pairs[bits >> 10 & _TEN_BITS]}{pairs[bits & _TEN_BITS]}"
    )


@lru_cache(maxsize=4096)
def _first_half(prefix: str, account: str) -> tuple[str, int]:
    """Return the prefix with forty bits, and the account's lowest bit.

    The lowest bit is the first one of the other forty.
    """
    number = int(account)
    if not 0 <= number < _ACCOUNTS:
        raise ValueError("an account is a string of twelve digits")
    bits = _CARRIES_ACCOUNT | number << _RANDOM_BITS
    half = "".join([_PAIRS[bits >> shift & _TEN_BITS] for shift in _SHIFTS[: len(_SHIFTS) // 2]])
    return prefix + half, bits & 1 << _RANDOM_BITS


def account_of(access_key_id: str) -> str | None:
    """Return the account in an access key ID, or None without an account.

    Accepts the IDs of Daypass and of AWS.
    """
    match = _ACCESS_KEY_ID.fullmatch(access_key_id)
    if match is None:
        return None
    bits = int.from_bytes(base64.b32decode(match[1]))
    number = bits >> _RANDOM_BITS & _ACCOUNT_MASK
    if not bits & _CARRIES_ACCOUNT or number >= _ACCOUNTS:
        return None
    return f"{number:012d}"


def pack_access_key_id(access_key_id: str) -> bytes | None:
    """Return the part after the prefix as ten bytes, or None if not base32."""
    if len(access_key_id) != _KEY_ID_LENGTH:
        return None
    try:
        return int(access_key_id[_PREFIX_LENGTH:].encode().translate(_DIGITS), 32).to_bytes(_PACKED_BYTES)
    except ValueError:
        return None


def unpack_access_key_id(packed: bytes) -> str:
    """Return the sixteen characters that ten bytes encode."""
    bits = int.from_bytes(packed)
    return "".join([_PAIRS[bits >> shift & _TEN_BITS] for shift in _SHIFTS])


def new_secret(entropy: Entropy) -> Secret:
    """Return a new secret access key: forty characters of A-Za-z0-9+/."""
    return secret_of(entropy(SECRET_ENTROPY))


def secret_of(random: bytes) -> Secret:
    """Return the secret access key with these thirty random bytes."""
    return Secret(binascii.b2a_base64(random, newline=False).decode())


def new_unique_id(prefix: Literal["AIDA", "AROA", "AGPA", "ANPA", "AIPA"], entropy: Entropy) -> str:
    """Return a new unique ID: the prefix and seventeen of A-Z0-9."""
    number = int.from_bytes(entropy(_UNIQUE_BYTES))
    characters = []
    for _ in range(_UNIQUE_LENGTH):
        number, digit = divmod(number, len(_UNIQUE_ALPHABET))
        characters.append(_UNIQUE_ALPHABET[digit])
    return prefix + "".join(characters)
