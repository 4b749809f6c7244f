"""The packed size of session policies and session tags.

AWS does not document how it packs them. The numbers here are fitted to sizes that users of AWS published, and depend on
no compression library:

* A policy is compressed: each character costs 25/32 of a byte, and a repetition of at least four characters 80/32.
* A tag is not compressed: it costs its key and its value in UTF-8, and five bytes.
* A session has space for 461 bytes.

Source: docs/decisions/0023-packed-size.md.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

_SPACE = 461
_WHOLE = 100
_PER_BYTE = 32  # the parts of a byte that the costs of a policy count
_CHARACTER, _REPETITION = 25, 80
_SHORTEST = 4  # characters of a repetition
_TAG = 5
_REMEMBERED = 512


def packed_percent(policies: Iterable[str], tags: Mapping[str, str]) -> int:
    """Return the percentage of a session's space, rounded up.

    `policies` are the inline policy and the ARNs of managed policies. The result may be above a hundred.
    """
    text = "\n".join(policy for policy in policies if policy)
    # UTF-8 encodes each character for itself, so that the strings may be encoded together.
    tag_bytes = len("".join([*tags, *tags.values()]).encode()) + _TAG * len(tags)
    size = _policy_parts(text) + _PER_BYTE * tag_bytes
    return -(-size * _WHOLE // (_SPACE * _PER_BYTE))


# Catalogs send the same policy again and again, and the search takes a millisecond for the longest.
@lru_cache(maxsize=_REMEMBERED)
def _policy_parts(text: str) -> int:
    first: dict[str, int] = {}
    at = parts = 0
    while at < len(text):
        before = first.get(text[at : at + _SHORTEST])
        length = 1 if before is None else _common(text, before, at)
        parts += _CHARACTER if before is None else _REPETITION
        for place in range(at, min(at + length, len(text) - _SHORTEST + 1)):
            first.setdefault(text[place : place + _SHORTEST], place)
        at += length
    return parts


def _common(text: str, before: int, at: int) -> int:
    """Return the length of the string that begins at both places."""
    length = _SHORTEST
    while at + length < len(text) and text[before + length] == text[at + length]:
        length += 1
    return length
