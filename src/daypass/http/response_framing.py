"""The bytes of a response: status line, headers and body.

The header lines that nearly all responses of the API share are framed once. They are a fixed table: no value of a
request or of a refusal enters it.
"""

from collections.abc import Iterable, Mapping

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from daypass.wire.faults import ORDINARY_HEADERS
from daypass.wire.http import Headers, HttpResponse
from daypass.wire.rest_json import JSON_SERVICE_HEADERS

_LINE_BREAK = "a header contains a line break"


def _frame_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return header lines. Raises ValueError if a header contains a line break."""
    lines = [name + b": " + value + b"\r\n" for name, value in headers]
    block = b"".join(lines)
    if block.count(b"\n") != len(lines) or block.count(b"\r") != len(lines):
        raise ValueError(_LINE_BREAK)
    return block


_ORDINARY: Mapping[Headers, bytes] = {
    headers: _frame_lines(headers) for headers in (*ORDINARY_HEADERS, JSON_SERVICE_HEADERS)
}


class ResponseFramer:
    """Frames responses.

    Keeps the lines of the server's own headers, which change each second.
    """

    def __init__(self) -> None:
        self._own: tuple[object, bytes] = (None, b"")

    def frame(self, response: HttpResponse, own_headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the bytes of a response.

        `own_headers` are the server's own, in a list that is replaced when they change. Raises ValueError if a header
        contains a line break.
        """
        kept, own = self._own
        if kept is not own_headers:
            own = _frame_lines(own_headers)
            self._own = own_headers, own
        headers, body = response.headers, response.body
        lines = _ORDINARY.get(headers[1:])
        if lines is None:
            lines = _frame_lines(headers)
        else:
            name, value = headers[0]
            if b"\n" in name or b"\r" in name or b"\n" in value or b"\r" in value:
                raise ValueError(_LINE_BREAK)
            lines = b"%b: %b\r\n%b" % (name, value, lines)
        return b"%bcontent-length: %d\r\n%b%b\r\n%b" % (STATUS_LINE[response.status], len(body), own, lines, body)
