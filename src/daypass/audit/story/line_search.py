"""The search for lines that contain one of several strings.

Owns the speed of a story: most lines of a log do not concern it, and are passed over without being parsed.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

_FEW = 12
# Access key IDs, also those that an operator chose for imported keys, and sign-ins.
_IDS = re.compile(rb'"(?:accessKeyId|[Ss]ignInId)" ?: ?"([^"\\]{1,128})"')


def matching_lines(block: bytes, words: AbstractSet[bytes], ids: AbstractSet[bytes]) -> Iterator[bytes]:
    """Yield the lines of a block with one of the words or ids, each once."""
    end = 0
    for place in _places(block, words, ids):
        if place < end:
            continue
        start = block.rfind(b"\n", 0, place) + 1
        end = block.find(b"\n", place)
        end = len(block) if end < 0 else end
        yield block[start:end]


def _places(block: bytes, words: AbstractSet[bytes], ids: AbstractSet[bytes]) -> list[int]:
    """Return places in the lines that match, in order."""
    searched, found = words, list[int]()
    if len(ids) <= _FEW:
        searched = words | ids
    else:
        found = [each.start() for each in _IDS.finditer(block) if each[1] in ids]
    for word in searched:
        at = block.find(word)
        while at >= 0:
            found.append(at)
            next_line = block.find(b"\n", at)
            at = -1 if next_line < 0 else block.find(word, next_line)
    return sorted(found)
