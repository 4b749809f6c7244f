"""Write the heads of answers to clients.

Owns the status line, the framing, and the refusal of header values with line breaks. Pure.
"""

from http import HTTPStatus

from daypass.gateway.plan import HeaderPairs

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CLOSE = b"connection: close\r\n"

_LINES = {each.value: b"HTTP/1.1 %d %b\r\n" % (each.value, each.phrase.encode()) for each in HTTPStatus}


class HeaderError(Exception):
    """A header contains a line break. This would split the answer."""


def render_head(status: int, headers: HeaderPairs, framing: bytes, request_id: str, date: bytes) -> bytes:
    """Return the head with its empty line.

    `framing` and `date` are complete lines. Raises HeaderError.
    """
    lines = [b"%b: %b\r\n" % pair for pair in headers]
    block = b"".join(lines)
    if block.count(b"\n") != len(lines) or block.count(b"\r") != len(lines):
        raise HeaderError("a header contains a line break")
    start = _LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"%b%b%b%bx-amz-request-id: %b\r\n\r\n" % (start, framing, block, date, request_id.encode())
