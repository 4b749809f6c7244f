"""The key chain of a session, and its compact form in a session token.

Owns the value, its limit and its encoding. Leaves its position in a token to tokens.py, and the effect of a revoked key
to directory/revocations.py.

- A chain lists each access key from the long-term key to the key that signed the request, oldest first. A session that
  several chains lead to (a delegated one) lists the keys of all of them.
- A temporary key's time is the second in which its own session was issued, a long-term key's that in which it issued
  the first session of the chain. A later revocation ends the chain.
- A chain has at most 16 keys. A request for one more is refused.
- A session that was issued with delegated credentials also lists the delegation request, in front of the key of these
  credentials. It is not a key and does not count towards the 16. Its time is the second of the acceptance.
- The bytes are: version 1 (1 byte), length of the rest (2), flags (1), number of keys (1), the keys, and the time of
  each key (4 bytes a key). A key is a tag (1) and its ID. Tags 0 and 1 are the prefixes `ASIA` and `AKIA`, with ten
  packed bytes after them. Tag 2 is an ID that an operator chose: its length (2) and its UTF-8. Integers are big-endian.
  Flag 1: keys may be missing. Flag 2: no times follow, and each key counts from the second in which the session was
  issued.
"""

import re
import struct
from functools import lru_cache
from typing import Final

import msgspec

from daypass.errors import AccessDenied
from daypass.mint.access_keys import pack_access_key_id, unpack_access_key_id

MOST_KEYS: Final = 16
_MOST_NAMES: Final = 2 * MOST_KEYS  # each key and, at most, the delegation request in front of it

_VERSION = b"\x01"
_HEAD, _KEYS_AT = 3, 5
_MISSING, _NO_TIMES = 1, 2
_TIME_BYTES = 4
_PACKED_BYTES = 10
_PREFIXES = ("ASIA", "AKIA")
_WRITTEN_OUT = b"\x02"
_REQUEST = re.compile(r"dr-[0-9a-f]{32}")

_TOO_LONG = (
    f"These credentials were issued through a chain of {MOST_KEYS} access keys, which is the limit. "
    "Sign in again, and assume the role with fewer steps between."
)


class KeyChain(msgspec.Struct, frozen=True):
    """Access keys, oldest first, each with its time in seconds since 1970.

    An incomplete chain may lack keys: an older release issued one of the sessions. Only the chain in a token may omit
    all times.
    """

    keys: tuple[str, ...] = ()
    times: tuple[int, ...] = ()
    is_complete: bool = True

    def followed_by(self, key: str, time: int) -> "KeyChain":
        """Return the chain with one more key at its end."""
        return KeyChain((*self.keys, key), (*self.times, time), self.is_complete)

    @property
    def is_delegated(self) -> bool:
        """Return whether delegated credentials are one of the steps."""
        return any(map(is_delegation, self.keys))

    @property
    def is_too_long(self) -> bool:
        """Return whether the chain has more steps than a session can store."""
        number = len(self.keys)
        if number <= MOST_KEYS:
            return False
        return number > _MOST_NAMES or number - sum(map(is_delegation, self.keys)) > MOST_KEYS


NO_KEYS = KeyChain()


class ChainBrokenError(Exception):
    """The bytes are not a valid key chain."""


def is_delegation(name: str) -> bool:
    """Return whether a name in a chain is that of a delegation request."""
    return _REQUEST.fullmatch(name) is not None


def require_room(chain: KeyChain) -> KeyChain:
    """Return the chain, or raise AccessDenied if it is too long for a session."""
    if chain.is_too_long:
        raise AccessDenied(_TOO_LONG, detail=f"the chain would have {len(chain.keys)} access keys")
    return chain


def join_chains(first: KeyChain, second: KeyChain) -> KeyChain:
    """Return the keys of both chains.

    A key in both counts from its earlier time.
    """
    times = dict(zip(first.keys, first.times, strict=True))
    for key, time in zip(second.keys, second.times, strict=True):
        times[key] = min(time, times.pop(key, time))
    return KeyChain(tuple(times), tuple(times.values()), first.is_complete and second.is_complete)


@lru_cache(maxsize=1024)  # a sign-in, and the bearers of tokens, come with the same chain each time
def encode_chain(chain: KeyChain) -> bytes:
    """Return the bytes of a chain of at most MOST_KEYS keys."""
    flags = (0 if chain.is_complete else _MISSING) | (0 if chain.times else _NO_TIMES)
    keys = _encode_keys(require_room(chain).keys)
    times = struct.pack(f">{len(chain.times)}I", *chain.times)
    return b"".join((_VERSION, (len(keys) + len(times) + 1).to_bytes(2), bytes((flags,)), keys, times))


@lru_cache(maxsize=1024)  # as below
def encode_first_step(access_key_id: str) -> bytes:
    """Return the bytes of the chain of a session that a long-term key issues.

    The chain is complete, and the key counts from the second in which the session is issued. An empty string stands for
    a caller without a key.
    """
    return encode_chain(KeyChain((access_key_id,)) if access_key_id else NO_KEYS)


@lru_cache(maxsize=1024)  # most requests come with the keys of a few callers
def _encode_keys(keys: tuple[str, ...]) -> bytes:
    return b"".join((len(keys).to_bytes(), *map(_encode_key, keys)))


def _encode_key(key: str) -> bytes:
    packed = pack_access_key_id(key)
    if packed is not None and key.startswith(_PREFIXES):
        return bytes((_PREFIXES.index(key[:4]),)) + packed
    written = key.encode()
    return b"".join((_WRITTEN_OUT, len(written).to_bytes(2), written))


def decode_chain(data: bytes) -> tuple[KeyChain, bytes]:
    """Return the chain at the beginning of `data`, and the remaining bytes.

    Raises ChainBrokenError if the chain is invalid.
    """
    end = _HEAD + int.from_bytes(data[1:_HEAD])
    # An unknown version may be a restriction, so it is refused.
    if data[:1] != _VERSION or not _KEYS_AT <= end <= len(data):
        raise ChainBrokenError
    flags, number, at = data[_HEAD], data[_HEAD + 1], _KEYS_AT
    if flags & ~(_MISSING | _NO_TIMES):
        raise ChainBrokenError
    keys = []
    for _ in range(number):
        key, at = _decode_key(data, at)
        keys.append(key)
    counted = 0 if flags & _NO_TIMES else number
    if at + counted * _TIME_BYTES != end:
        raise ChainBrokenError
    times = struct.unpack_from(f">{counted}I", data, at)
    chain = KeyChain(tuple(keys), times, not flags & _MISSING)
    if chain.is_too_long:
        raise ChainBrokenError
    return chain, data[end:]


def _decode_key(data: bytes, at: int) -> tuple[str, int]:
    tag, start = data[at : at + 1], at + 1
    if tag == _WRITTEN_OUT:
        start, end = start + 2, start + 2 + int.from_bytes(data[start : start + 2])
        try:
            return data[start:end].decode(), end
        except UnicodeDecodeError as error:
            raise ChainBrokenError from error
    if not tag or tag[0] >= len(_PREFIXES):
        raise ChainBrokenError
    end = start + _PACKED_BYTES
    return _PREFIXES[tag[0]] + unpack_access_key_id(data[start:end]), end
