"""Seal a payload into a string that only our ring of keys can open.

Owns the format.

- A sealed string is valid for one purpose and one bound name only.
- The bytes before base64: tag of purpose and version (3), key ID (6), salt (24), then AES-256-GCM of the payload and
  its padding.
- The salt derives a key for this one string, so the nonce may be constant, and the number of strings is far from any
  bound (docs/decisions/0027-one-key-per-token.md).
- Tag, key ID and bound name are associated data.
- Base64 is URL-safe, and the padding inside the seal makes every length a multiple of three bytes: without `=` and
  spare bits, a string has exactly one spelling.
"""

import binascii
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daypass.mint.purpose import Purpose, SealFormat
from daypass.mint.sealing_keys import KEY_ID_BYTES, SealingRing
from daypass.ports import Entropy

_TAG_BYTES = 3
SALT_BYTES = 24
_SALT_AT = _TAG_BYTES + KEY_ID_BYTES
_SEALED_AT = _SALT_AT + SALT_BYTES
_GCM_TAG_BYTES = 16
_SMALLEST = _SEALED_AT + _GCM_TAG_BYTES + 1
_NONCE = bytes(12)  # RFC 5116 3.1: never use a nonce twice with one key. Each key here is used once.
_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # the characters of the other alphabet are invalid here


class SealBrokenError(Exception):
    """The string was not sealed by us for this purpose and name.

    It never says which part is wrong.
    """


class PayloadTooLargeError(Exception):
    """The sealed string would be longer than its purpose allows."""


def sealed_length(payload_length: int) -> int:
    """Return the length in characters of a sealed payload of so many bytes."""
    return (_SMALLEST + payload_length + 2) // 3 * 4


def seal(
    purpose: Purpose, payload: bytes, *, bound_to: str, sealing_ring: SealingRing, now: int, entropy: Entropy
) -> str:
    """Return `payload` sealed under the key that is active at `now`."""
    return seal_with_salt(
        purpose, payload, bound_to=bound_to, sealing_ring=sealing_ring, now=now, salt=entropy(SALT_BYTES)
    )


def seal_with_salt(
    purpose: Purpose, payload: bytes, *, bound_to: str, sealing_ring: SealingRing, now: int, salt: bytes
) -> str:
    """Return `payload` sealed with SALT_BYTES random bytes of the caller.

    Two strings with one salt would share key and nonce, which breaks AES-GCM: the bytes must be fresh, and must not be
    used for anything else.
    """
    form: SealFormat = purpose._value_  # the property `value` is a call of Python
    smallest = _SMALLEST + len(payload)
    if (smallest + 2) // 3 * 4 > form.longest:  # sealed_length, inlined: every new session comes here
        raise PayloadTooLargeError
    key = sealing_ring.active(now)
    head = _head(form.tag, key.id)
    cipher = AESGCM(key.material.token_key(purpose, salt))
    # ISO/IEC 9797-1, padding method 2, up to a length that base64 encodes without `=`.
    padded = payload + b"\x80" + bytes(-smallest % 3)
    sealed = cipher.encrypt(_NONCE, padded, head + bound_to.encode("utf-8", "surrogatepass"))
    return binascii.b2a_base64(head + salt + sealed, newline=False).translate(_FROM_STANDARD).decode()


def unseal(purpose: Purpose, text: str, *, bound_to: str, sealing_ring: SealingRing) -> bytes:
    """Return the payload of a sealed string, or raise SealBrokenError.

    If the key is not in the ring, `find_missing` decides, and may raise an error that asks the caller to try again.
    """
    form = purpose.value
    if len(text) > form.longest or len(text) % 4 or not text.startswith(form.tag) or not text.isascii():
        raise SealBrokenError
    try:
        raw = binascii.a2b_base64(text.encode().translate(_TO_STANDARD), strict_mode=True)
    except binascii.Error as error:
        raise SealBrokenError from error
    if len(raw) < _SMALLEST:
        raise SealBrokenError
    key_id = raw[_TAG_BYTES:_SALT_AT].hex()
    key = sealing_ring.find(key_id) or sealing_ring.find_missing(key_id)
    if key is None:
        raise SealBrokenError
    cipher = AESGCM(key.material.token_key(purpose, raw[_SALT_AT:_SEALED_AT]))
    try:
        # A request's name must not cause other exceptions than ours.
        name = bound_to.encode("utf-8", "surrogatepass")
        padded = cipher.decrypt(_NONCE, raw[_SEALED_AT:], raw[:_SALT_AT] + name)
    except InvalidTag as error:
        raise SealBrokenError from error
    return _unpad(padded)


@lru_cache(maxsize=256)  # a few purposes, a few keys
def _head(tag: str, key_id: str) -> bytes:
    return binascii.a2b_base64(tag) + bytes.fromhex(key_id)


def _unpad(padded: bytes) -> bytes:
    payload = padded.rstrip(b"\0")
    if payload[-1:] != b"\x80":
        raise SealBrokenError
    return payload[:-1]
