"""The strict head of an HTTP/1.1 request.

Owns the rules that give the bytes of a head exactly one meaning.
"""

from collections.abc import Mapping

import msgspec

from daypass.verify.refusals import HeadError

__all__ = ["HeadError", "RequestHead", "parse_head"]


class RequestHead(msgspec.Struct, frozen=True):
    """One head. `path` and `query` are the target's, percent-encoded as sent.

    `headers` maps lower-case names to trimmed values. Repeated headers are joined by a comma; a head that repeats a
    header with a single value is refused. `content_length` is None if it is not announced.
    """

    method: str
    target: bytes
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    content_length: int | None
    chunked: bool


def parse_head(block: bytes) -> RequestHead:
    """Return the head. `block` ends before the empty line. Raises HeadError."""
    raise NotImplementedError
