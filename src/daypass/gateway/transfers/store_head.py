"""The head of a store's answer, parsed strictly.

Owns the rules for the head of an answer. Leaves its reduction for the client to store_answers.py.

- HTTP/1.0 or 1.1, a status of three digits, one header a line. Control characters are refused, because a header with a
  line break would split the answer.
- A body has one Content-Length, or the transfer coding `chunked` and no other, or it ends with the connection. Two
  lengths, even equal ones, or a length beside a coding are refused.
- Answers to HEAD, 1xx, 204 and 304 do not have a body (RFC 9112 section 6.3). If a 204 or 304 announces one, it is the
  last answer of its connection.
"""

import re
from functools import lru_cache

import msgspec

from daypass.gateway.plan import HeaderPairs

LARGEST_HEAD = 65_536  # bytes
TO_THE_END = -1  # the body ends with the connection
CHUNKED = -2

_HEAD = re.compile(
    rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [^\x00-\x08\x0a-\x1f\x7f]*)?"
    rb"(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*)*"
)
_LONGEST_LENGTH = 18  # digits
_LONGEST_KEPT = 128  # bytes of a line
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"upgrade", b"trailer"})
_NO_CONTENT = 204
_BODILESS = frozenset({_NO_CONTENT, 304})
_WITH_BODY = frozenset({200, 206})


class StoreError(Exception):
    """The store's answer is not valid HTTP. The message is for the log."""


class StoreHead(msgspec.Struct, frozen=True):
    """The head of an answer."""

    status: int
    headers: HeaderPairs  # without those of the framing and the connection
    length: int  # of the body in bytes; or TO_THE_END, or CHUNKED
    announced: bytes | None  # content-length, which the answer to HEAD has without a body
    is_last: bool  # the connection ends after this answer


def parse_store_head(block: bytes, *, is_head: bool) -> StoreHead:
    """Return the head. `block` ends before the empty line.

    `is_head` is whether the request was HEAD. Raises StoreError.
    """
    if _HEAD.fullmatch(block) is None:
        raise StoreError("the head of the answer is not well-formed")
    lines = block.split(b"\r\n")
    status = int(lines[0][9:12])
    usual = None if is_head or status not in _WITH_BODY else _read_usual(lines, status)
    return usual or _read_lines(lines, status, is_head=is_head)


def _read_usual(lines: list[bytes], status: int) -> StoreHead | None:
    """Return the head of the usual answer with a body, or None.

    It has each header once, short lines, and no header of the framing but Content-Length.
    """
    if lines[0][:8] != b"HTTP/1.1" or max(map(len, lines)) > _LONGEST_KEPT:
        return None
    headers = dict(map(_read_line, lines[1:]))
    is_repeated = len(headers) != len(lines) - 1
    length = headers.pop(b"content-length", b"")
    if is_repeated or not _FRAMING.isdisjoint(headers) or not length.isdigit() or len(length) > _LONGEST_LENGTH:
        return None
    return StoreHead(status, tuple(headers.items()), int(length), length, is_last=False)


def _read_lines(lines: list[bytes], status: int, *, is_head: bool) -> StoreHead:
    headers: list[tuple[bytes, bytes]] = []
    framing: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, value = pair = _read_line(line) if len(line) <= _LONGEST_KEPT else _split(line)
        if name not in _FRAMING:
            headers.append(pair)
        elif name not in framing:
            framing[name] = value
        elif name in (b"content-length", b"transfer-encoding"):
            raise StoreError("the answer has two lengths")
    announced = framing.get(b"content-length")
    if announced is not None and not (announced.isdigit() and len(announced) <= _LONGEST_LENGTH):
        raise StoreError("the length of the answer is not valid")
    is_last = lines[0].startswith(b"HTTP/1.0") or b"close" in framing.get(b"connection", b"").lower()
    length = _length(framing, announced)
    if is_head or status in _BODILESS or status < 200:  # noqa: PLR2004
        # The body that a broken store announces may still come. The next request must not take it for its answer.
        is_last = is_last or (status in _BODILESS and _announces_body(status, length))
        length = 0
    return StoreHead(status, tuple(headers), length, announced, is_last or length == TO_THE_END)


def _length(framing: dict[bytes, bytes], announced: bytes | None) -> int:
    coding = framing.get(b"transfer-encoding")
    if coding is None:
        return TO_THE_END if announced is None else int(announced)
    if coding.lower() != b"chunked" or announced is not None:
        raise StoreError("the transfer coding of the answer is not valid")
    return CHUNKED


def _announces_body(status: int, length: int) -> bool:
    """Return whether the head of a bodiless answer has a body's length (RFC 9110 section 8.6)."""
    return length == CHUNKED or (status == _NO_CONTENT and length > 0)


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


_read_line = lru_cache(maxsize=1024)(_split)  # most lines come again in the next answer
