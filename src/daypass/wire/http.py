"""The two values at the HTTP edge: a request and its response.

They are not decoded or verified: signatures cover exactly these bytes. http/ reads the socket and resolves the client's
address.
"""

from collections.abc import Mapping

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class HttpRequest(msgspec.Struct, frozen=True):
    """One request.

    Header names are lower case, in the order received, with duplicates, as in ASGI. `peer` is the client's address,
    resolved through trusted proxies. `truncated`: the body was longer than the limit, and is empty here. `by_name`
    contains the same headers if the request was read in its plain form (http/plain_calls.py): each name occurs once,
    and each value consists of words of visible ASCII with single spaces between them. It is None otherwise. `began` is
    the value of `monotonic` when the request was complete, or 0 if that is unknown.
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    peer: str
    secure: bool
    truncated: bool = False
    by_name: Mapping[bytes, bytes] | None = None
    began: float = 0.0

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that lower-case name, or None."""
        if self.by_name is not None:
            return self.by_name.get(name)
        for key, value in self.headers:
            if key == name:
                return value
        return None


class HttpResponse(msgspec.Struct, frozen=True):
    """One response. The server adds its framing (Content-Length, keep-alive)."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that lower-case name, or None."""
        return next((value for key, value in self.headers if key == name), None)
