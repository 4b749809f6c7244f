"""The two values at the HTTP edge: a request and its response.

They are not decoded or verified: signatures cover exactly these bytes. http/ reads the socket and resolves the client's
address.
"""

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class HttpRequest(msgspec.Struct, frozen=True):
    """One request.

    Header names are lower case, in the order received, with duplicates, as in ASGI. `peer` is the client's address,
    resolved through trusted proxies. `truncated`: the body was longer than the limit, and is empty here.
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    peer: str
    secure: bool
    truncated: bool = False

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that lower-case name, or None."""
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
